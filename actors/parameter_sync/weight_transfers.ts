/**
 * Carries dense weights to the scorers, and looks which ones they have.
 *
 * Nothing waits for a scorer: each has one question and one transfer at a time, and one that stands
 * still holds back no other.
 */
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { ActorContext, ActorRef } from "../../mesh/runtime/actor.ts";
import type { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import type { ParameterSyncMessage } from "./protocol.ts";

export interface WeightTransfersParts {
  readonly context: Pick<ActorContext<ParameterSyncMessage>, "isCurrent">;
  /** Budget of a question and of a transfer, ms. */
  readonly budgetMs: number;
  readonly warnings: LimitedWarnings;
}

export class WeightTransfers {
  readonly #parts: WeightTransfersParts;
  readonly #scorers: readonly ActorRef<ScorerMessage>[];
  /** The version that each scorer serves; -1 = unknown. */
  readonly #versions: number[];
  /** Scorers that have been asked for their version and have not answered yet. */
  readonly #asked = new Set<number>();
  /** Scorers to which a transfer is under way. */
  readonly #underWay = new Set<number>();
  /** Carried last; kept for a scorer that restarts, or has older ones, while trainers are away. */
  #carried: DenseWeights | undefined;

  constructor(scorers: readonly ActorRef<ScorerMessage>[], parts: WeightTransfersParts) {
    this.#scorers = scorers;
    this.#parts = parts;
    this.#versions = scorers.map(() => -1);
  }

  /** The weights that were carried last. */
  get carried(): DenseWeights | undefined {
    return this.#carried;
  }

  /** Begins to carry weights to the scorers that have older ones. */
  carry(weights: DenseWeights): void {
    this.#carried = weights;
    for (const scorer of this.#scorers.keys()) {
      if (this.#versions[scorer] >= weights.version || this.#underWay.has(scorer)) continue;
      this.#underWay.add(scorer);
      this.#send(scorer, weights);
    }
  }

  /** Begins to ask scorers for their version: all of them, or those whose version is unknown. */
  check({ all }: { readonly all: boolean }): void {
    for (const scorer of this.#scorers.keys()) {
      if (this.#asked.has(scorer) || !all && this.#versions[scorer] >= 0) continue;
      this.#asked.add(scorer);
      this.#ask(scorer);
    }
  }

  async #ask(scorer: number): Promise<void> {
    const { budgetMs } = this.#parts;
    try {
      const { weightsLoaded, modelVersion } = await this.#scorers[scorer]
        .ask({ kind: "getModel" }, { budgetMs });
      this.#versions[scorer] = weightsLoaded ? modelVersion : -1;
      if (this.#carried !== undefined) this.carry(this.#carried);
    } catch (error) {
      this.#failed(scorer, error);
    } finally {
      this.#asked.delete(scorer);
    }
  }

  async #send(scorer: number, weights: DenseWeights): Promise<void> {
    const { budgetMs } = this.#parts;
    try {
      const message = { kind: "loadDenseWeights", weights } as const;
      const { version } = await this.#scorers[scorer].ask(message, { budgetMs, bulk: true });
      this.#versions[scorer] = version;
    } catch (error) {
      this.#failed(scorer, error);
    } finally {
      this.#underWay.delete(scorer);
    }
  }

  #failed(scorer: number, error: unknown): void {
    if (!this.#parts.context.isCurrent) return;
    this.#versions[scorer] = -1;
    const { address } = this.#scorers[scorer];
    this.#parts.warnings.warn(`${address} does not get weights`, error);
  }
}
