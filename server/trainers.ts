/**
 * All trainers of a mesh, asked as one.
 */
import { together } from "../actors/trainer/progressive_validation.ts";
import type {
  ProgressiveValidation,
  TrainerMessage,
  TrainerStatus,
} from "../actors/trainer/protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";

/** How far they have come together. */
export interface TrainersStatus {
  readonly steps: number;
  readonly examples: number;
  /** Of the one that is furthest behind. */
  readonly learnedThroughMs: number;
  /** Next offset of each partition of the example log. */
  readonly offsets: readonly number[];
  /** Why the first of those that stopped did. */
  readonly diverged?: string;
}

const budgetMs = 5_000;

export class Trainers {
  /** @param all By partition. */
  constructor(readonly all: readonly ActorRef<TrainerMessage>[]) {}

  async status(): Promise<TrainersStatus> {
    const each: TrainerStatus[] = await Promise.all(
      this.all.map((trainer) => trainer.ask({ kind: "getStatus" }, { budgetMs })),
    );
    const diverged = each.find((status) => status.diverged !== undefined)?.diverged;
    return {
      steps: each.reduce((sum, { steps }) => sum + steps, 0),
      examples: each.reduce((sum, { examples }) => sum + examples, 0),
      learnedThroughMs: Math.min(...each.map((status) => status.learnedThroughMs)),
      offsets: each.map(({ offset }) => offset),
      ...(diverged === undefined ? {} : { diverged }),
    };
  }

  async progressiveValidation(): Promise<ProgressiveValidation> {
    const each: ProgressiveValidation[] = await Promise.all(
      this.all.map((trainer) => trainer.ask({ kind: "getProgressiveValidation" }, { budgetMs })),
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
