/**
 * How far a trainer has come in its example log, and its counts since the start.
 */
import { invariant } from "../../structures/invariant.ts";
import type { LearnedBatch } from "./batch_pipeline.ts";
import type { ExampleBatch, Progress } from "./example_batch.ts";
import type { TrainerMetrics } from "./trainer_metrics.ts";

export class TrainerProgress {
  readonly #metrics: Pick<TrainerMetrics, "batchLearned" | "learnedUpTo">;
  #now: Progress = { sequence: 0, offset: 0, learnedThroughMs: 0 };
  /** Rows that a shard had applied when this trainer started. */
  #learnedBefore = 0;
  #steps = 0;
  #examples = 0;
  #loss = 0;

  constructor(metrics: Pick<TrainerMetrics, "batchLearned" | "learnedUpTo">) {
    this.#metrics = metrics;
  }

  /** All before it is learned, put aside or passed over. */
  get now(): Progress {
    return this.#now;
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
   * @param marks The sequence up to which each shard has applied this trainer's gradients.
   */
  start(cut: Progress | undefined, marks: readonly number[]): void {
    if (cut !== undefined) this.#now = cut;
    this.#learnedBefore = Math.max(...marks);
    this.#metrics.learnedUpTo(this.#now.sequence);
  }

  /**
   * Whether a shard has applied the batch before this trainer's restart. Then it is not counted
   * again, nor validated: the shards' rows have learned its labels.
   */
  isRepeated({ sequence }: ExampleBatch): boolean {
    return sequence <= this.#learnedBefore;
  }

  /** Counts a learned batch, and moves behind it. */
  learned({ batch, loss, tookMs }: LearnedBatch): void {
    const { features: { rows }, sequence, after } = batch;
    invariant(sequence >= this.#now.sequence + rows, "each row is learned once");
    this.#steps++;
    this.#examples += rows;
    this.#loss = loss;
    this.#metrics.batchLearned({ rows: this.isRepeated(batch) ? 0 : rows, loss, tookMs });
    this.advance(after);
  }

  advance(progress: Progress): void {
    const { sequence, offset, learnedThroughMs } = this.#now;
    invariant(
      progress.sequence >= sequence && progress.offset >= offset &&
        progress.learnedThroughMs >= learnedThroughMs,
      "a trainer reads its log forwards",
    );
    this.#now = progress;
    this.#metrics.learnedUpTo(progress.sequence);
  }
}
