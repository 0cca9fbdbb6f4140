/**
 * How far a trainer has come in its partitions of the example log, and its counts since the start.
 */
import { invariant, present } from "../../structures/invariant.ts";
import type { LearnedBatch } from "./batch_pipeline.ts";
import { BEGINNING } from "./chunk_batches.ts";
import type { Erasing, ExampleBatch, Progress, Progresses } from "./example_batch.ts";
import type { AppliedSequences } from "./shard_client.ts";
import type { TrainerMetrics } from "./trainer_metrics.ts";

export class TrainerProgress {
  readonly #metrics: Pick<TrainerMetrics, "batchLearned" | "learnedUpTo">;
  readonly #now: Map<number, Progress>;
  /** By partition, the rows that a shard had applied when this trainer started. */
  #learnedBefore: ReadonlyMap<number, number> = new Map();
  #changes = 0;
  #steps = 0;
  #examples = 0;
  #loss = 0;

  constructor(
    partitions: readonly number[],
    metrics: Pick<TrainerMetrics, "batchLearned" | "learnedUpTo">,
  ) {
    this.#now = new Map(partitions.map((partition) => [partition, BEGINNING]));
    this.#metrics = metrics;
  }

  /** By partition, ascending: all before it is learned, put aside or passed over. */
  get now(): Progresses {
    return this.#now;
  }

  /** All before it is learned, put aside or passed over. */
  of(partition: number): Progress {
    return present(this.#now.get(partition), "a trainer reads its own partitions");
  }

  /** Grows whenever it moves. */
  get changes(): number {
    return this.#changes;
  }

  /** Batches learned since the start. */
  get steps(): number {
    return this.#steps;
  }

  /** Rows learned since the start. */
  get examples(): number {
    return this.#examples;
  }

  /** Mean loss of the newest batch; 0 before the first one. */
  get loss(): number {
    return this.#loss;
  }

  /**
   * Begins at a snapshot's cut, or at the log's beginning.
   *
   * @param cut By partition; empty without a snapshot.
   * @param applied The sequences up to which each shard has applied the partitions' gradients.
   */
  start(cut: Progresses, applied: AppliedSequences): void {
    for (const [partition, progress] of cut) this.#now.set(partition, progress);
    this.#changes++;
    this.#learnedBefore = new Map(
      [...applied].map(([partition, byShard]) => [partition, Math.max(...byShard)]),
    );
    for (const [partition, { sequence }] of this.#now) {
      this.#metrics.learnedUpTo(partition, sequence);
    }
  }

  /**
   * Whether a shard has applied the batch before this trainer's restart. Then it is not counted
   * again, nor validated: the shards' rows have learned its labels.
   */
  isRepeated({ partition, sequence }: ExampleBatch): boolean {
    return sequence <= (this.#learnedBefore.get(partition) ?? 0);
  }

  /** Counts a learned batch, and moves behind it. */
  learned({ batch, loss, tookMs }: LearnedBatch): void {
    const { partition, features: { rows }, sequence } = batch;
    invariant(sequence >= this.of(partition).sequence + rows, "each row is learned once");
    this.#steps++;
    this.#examples += rows;
    this.#loss = loss;
    this.#metrics.batchLearned({ rows: this.isRepeated(batch) ? 0 : rows, loss, tookMs });
    this.moveBehind(batch);
  }

  /** Moves behind a batch, or behind erasures. */
  moveBehind({ partition, after, passed }: ExampleBatch | Erasing): void {
    // Without a batch under way the trainer may have passed these chunks before.
    for (const [other, progress] of passed) {
      if (progress.offset > this.of(other).offset) this.#advance(other, progress);
    }
    this.#advance(partition, after);
  }

  /** Moves forward in several partitions. */
  advance(progresses: Progresses): void {
    for (const [partition, progress] of progresses) this.#advance(partition, progress);
  }

  #advance(partition: number, progress: Progress): void {
    const { sequence, offset, learnedThroughMs } = this.of(partition);
    invariant(
      progress.sequence >= sequence && progress.offset >= offset &&
        progress.learnedThroughMs >= learnedThroughMs,
      "a trainer reads its log forwards",
    );
    this.#now.set(partition, progress);
    if (progress.sequence > sequence || progress.offset > offset) this.#changes++;
    this.#metrics.learnedUpTo(partition, progress.sequence);
  }
}
