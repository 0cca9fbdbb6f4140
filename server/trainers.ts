/**
 * The trainers of a mesh, with their answers combined.
 */
import { together } from "../actors/trainer/progressive_validation.ts";
import type {
  ProgressiveValidation,
  TrainerMessage,
  TrainerStatus,
} from "../actors/trainer/protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";

/** The combined progress of all trainers. */
export interface TrainersStatus {
  readonly steps: number;
  readonly examples: number;
  /** The minimum over the trainers. */
  readonly learnedThroughMs: number;
  /** Next offset of each partition of the example log. */
  readonly offsets: readonly number[];
  /** Why training stopped, from the first trainer that reports it. */
  readonly diverged?: string;
}

const ASK_BUDGET_MS = 5_000;

export class Trainers {
  readonly #present: () => readonly ActorRef<TrainerMessage>[];

  /** @param present The trainers that there are now, in their order. */
  constructor(present: () => readonly ActorRef<TrainerMessage>[]) {
    this.#present = present;
  }

  get all(): readonly ActorRef<TrainerMessage>[] {
    return this.#present();
  }

  async status(): Promise<TrainersStatus> {
    const each: TrainerStatus[] = await Promise.all(
      this.all.map((trainer) => trainer.ask({ kind: "getStatus" }, { budgetMs: ASK_BUDGET_MS })),
    );
    const diverged = each.find((status) => status.diverged !== undefined)?.diverged;
    return {
      steps: each.reduce((sum, { steps }) => sum + steps, 0),
      examples: each.reduce((sum, { examples }) => sum + examples, 0),
      learnedThroughMs: Math.min(...each.map((status) => status.learnedThroughMs)),
      offsets: each.flatMap(({ offsets }) => offsets)
        .toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset),
      ...(diverged === undefined ? {} : { diverged }),
    };
  }

  async progressiveValidation(): Promise<ProgressiveValidation> {
    const each: ProgressiveValidation[] = await Promise.all(
      this.all.map((trainer) =>
        trainer.ask({ kind: "getProgressiveValidation" }, { budgetMs: ASK_BUDGET_MS })
      ),
    );
    return each.reduce((sum, { trained, served }) => ({
      trained: Object.fromEntries(
        Object.entries(trained).map(([task, scores]) =>
          [task, together(sum.trained[task], scores)] as const
        ),
      ),
      served: together(sum.served, served),
    }));
  }
}
