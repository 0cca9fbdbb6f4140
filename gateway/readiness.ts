/**
 * Whether the mesh can rank. Live is not ready: while tables and weights load, events and profiles are taken but
 * rankings are refused.
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
   * Asks the ranker.
   *
   * @throws {ProblemError} `not-ready` when it cannot rank yet.
   */
  async check(budgetMs: number): Promise<ScorerStatus> {
    this.#ready = false;
    const status = await this.#ranker.ask({ kind: "getStatus" }, { budgetMs });
    if (!status.ready) {
      throw new ProblemError(
        "not-ready",
        `${this.#ranker.address} has no weights yet or its replicas do not answer; it will be ready when they do.`,
      );
    }
    this.#ready = true;
    return status;
  }

  /** Asks only while the ranker has not said yes: the ranking path costs no second question. */
  async require(budgetMs: number): Promise<void> {
    if (!this.#ready) await this.check(budgetMs);
  }

  /** A ranking failed: the next one asks again. */
  doubt(): void {
    this.#ready = false;
  }
}
