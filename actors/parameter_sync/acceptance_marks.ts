/**
 * How far the trainers have learned, as parameter sync was told last: the acceptance mark of each
 * trainer, and the incarnations of the shards that it holds for.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { TrainerMessage, TrainerStatus } from "../trainer/protocol.ts";
import type { LimitedWarnings } from "./limited_warnings.ts";

export class AcceptanceMarks {
  readonly #trainers: readonly ActorRef<TrainerMessage>[];
  readonly #budgetMs: number;
  readonly #warnings: LimitedWarnings;
  readonly #statuses: (TrainerStatus | undefined)[];
  #changes = 0;

  constructor(
    trainers: readonly ActorRef<TrainerMessage>[],
    budgetMs: number,
    warnings: LimitedWarnings,
  ) {
    this.#trainers = trainers;
    this.#budgetMs = budgetMs;
    this.#warnings = warnings;
    this.#statuses = trainers.map(() => undefined);
  }

  /** Every decided event accepted up to this wall time is learned, ms; 0 before the first read. */
  get learnedThroughMs(): number {
    return Math.min(...this.#statuses.map((status) => status?.learnedThroughMs ?? 0));
  }

  /** Grows whenever a read finds that a trainer has learned, or has begun anew. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether all marks hold for these incarnations of the shards. */
  holdFor(incarnations: readonly (string | undefined)[]): boolean {
    return this.#statuses.every((status) =>
      incarnations.every((incarnation, shard) => incarnation === status?.incarnations[shard])
    );
  }

  /** Reads the marks. The last one of a trainer that does not answer remains true. */
  async read(): Promise<void> {
    const budgetMs = this.#budgetMs;
    await Promise.all(this.#trainers.map(async (trainer, i) => {
      try {
        const status = await trainer.ask({ kind: "getStatus" }, { budgetMs });
        if (!isSame(status, this.#statuses[i])) this.#changes++;
        this.#statuses[i] = status;
      } catch (error) {
        const cannot =
          `cannot read the status of ${trainer.address}, and freshness does not advance`;
        this.#warnings.warn(cannot, error);
      }
    }));
  }
}

/** Whether the trainer has learned nothing between two statuses. */
function isSame(now: TrainerStatus, before: TrainerStatus | undefined): boolean {
  return before !== undefined && now.steps === before.steps &&
    now.offsets.every(({ offset }, i) => offset === before.offsets[i]?.offset) &&
    now.learnedThroughMs === before.learnedThroughMs &&
    now.incarnations.length === before.incarnations.length &&
    now.incarnations.every((incarnation, shard) => incarnation === before.incarnations[shard]);
}
