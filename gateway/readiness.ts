/**
 * Whether the mesh can rank. While tables and weights load, the process is live but not ready:
 * events and profiles are taken, rankings are refused.
 */
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { ScorerStatus } from "../actors/scorer/protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import { ProblemError } from "./problems.ts";

export class Readiness {
  #ready = false;
  readonly #ranker: ActorRef<RankerMessage>;

  constructor(ranker: ActorRef<RankerMessage>) {
    this.#ranker = ranker;
  }

  /**
   * Asks the ranker for its status.
   *
   * @throws {ProblemError} `not-ready` when it cannot rank yet.
   */
  async check(budgetMs: number): Promise<ScorerStatus> {
    const status = await this.#ranker.ask({ kind: "getStatus" }, { budgetMs })
      .catch((error) => {
        this.#ready = false;
        throw error;
      });
    this.#ready = status.ready;
    if (!status.ready) {
      throw new ProblemError(
        "not-ready",
        `${this.#ranker.address} has no weights yet or its replicas do not answer; ` +
          "wait until they do.",
      );
    }
    return status;
  }

  /**
   * Requires a ranker that said it is ready. Asks it only until it has said so once, so that a
   * ranking costs no second question.
   *
   * @throws {ProblemError} `not-ready` when it cannot rank yet.
   */
  async require(budgetMs: number): Promise<void> {
    if (!this.#ready) await this.check(budgetMs);
  }

  /** Makes the next {@link require} ask again, because a ranking failed. */
  doubt(): void {
    this.#ready = false;
  }
}
