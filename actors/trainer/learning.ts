/**
 * The learning of a trainer: partitions of the example log → batches in one order → embedding rows
 * → dense step → gradients to the shards. Between two batches it removes the rows of erased users.
 *
 * With pipelining the next batches are looked up and pooled during the dense step of the current
 * one.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { showUnread, type UnreadRecords } from "../../mesh/runtime/unread_records.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { BatchPipeline, type LearnedBatch } from "./batch_pipeline.ts";
import type { PartitionStart } from "./chunk_batches.ts";
import { Eraser, STORE_RETRY_MS } from "./eraser.ts";
import { ExampleReader, type LackingPartition } from "./example_reader.ts";
import { Flights } from "./flights.ts";
import type { LogLosses } from "./log_losses.ts";
import type { TrainerOptions } from "./options.ts";
import type { TrainerMessage } from "./protocol.ts";
import type { PartitionJoiners } from "./partition_joiners.ts";
import { Recovery } from "./recovery.ts";
import { Refusals } from "./refusals.ts";
import { ShardAheadError, ShardBehindError } from "./resume_point.ts";
import type { AppliedSequences, ShardClient } from "./shard_client.ts";
import type { TrainerAtCut } from "./snapshot_cuts.ts";
import type { TaskValidation } from "./task_validation.ts";
import type { TrainerMetrics } from "./trainer_metrics.ts";
import { TrainerProgress } from "./trainer_progress.ts";
import { partitionStarts, resumeModel } from "./trainer_start.ts";

export interface LearningParts {
  readonly context: ActorContext<TrainerMessage>;
  readonly options: TrainerOptions;
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  readonly kernel: BatchKernel;
  readonly session: TrainingSession;
  readonly shards: ShardClient;
  readonly joiners: PartitionJoiners;
  readonly logLosses: LogLosses;
  readonly metrics: TrainerMetrics;
  readonly validation: TaskValidation;
}

/** Why nothing is read and learned any more: the model is broken. */
export type LearningStop =
  /** There is no snapshot to go back to. */
  | { readonly kind: "diverged"; readonly reason: string }
  /** The blob store refuses the record of the way back, which is tried again. */
  | { readonly kind: "goingBack"; readonly error: Error };

export class Learning {
  readonly progress: TrainerProgress;
  readonly pipeline: BatchPipeline;
  readonly #parts: LearningParts;
  readonly #eraser: Eraser;
  #stopped: LearningStop | undefined;
  #recovery: Recovery;
  #reader: ExampleReader;
  #flights: Flights;
  #unsubscribe: () => void = () => {};
  #unread: UnreadRecords | undefined;

  constructor(parts: LearningParts) {
    const { context, options, exampleLog, blobs, kernel, session, shards } = parts;
    const { metrics, validation } = parts;
    this.#parts = parts;
    this.progress = new TrainerProgress(options.partitions, metrics);
    this.#eraser = new Eraser({ options, shards, kernel, blobs, context });
    this.#reader = this.#readFrom(kernel);
    this.pipeline = new BatchPipeline({
      session,
      kernel,
      shards,
      clock: context.clock,
      tracing: context.tracing,
      onStep: (batch, { logits }) => {
        if (this.progress.isRepeated(batch)) return;
        validation.record({ ...batch, rows: batch.features.rows }, logits);
      },
      onLearned: (learned) => this.#learned(learned),
    }, options);
    this.#flights = new Flights(this.#reader, this.pipeline);
    this.#recovery = this.#recoveryWith(
      Refusals.empty({ blobs, exampleLog, kernel }, context.clock, options.partitions),
    );
  }

  /** Undefined while it reads and learns. */
  get stopped(): LearningStop | undefined {
    return this.#stopped;
  }

  get rowsRefused(): number {
    return this.#recovery.rowsRefused;
  }

  /** Acceptance time up to which all is learned, and the offsets behind it. */
  get learnedAt(): ReturnType<ExampleReader["learnedAt"]> {
    return this.#reader.learnedAt(this.progress.now);
  }

  /** Whether no batch is in flight and no erasure is under way. */
  get isBetweenBatches(): boolean {
    return this.pipeline.isEmpty && !this.#eraser.isUnderWay;
  }

  /** Whether an erasure waits for the blob store; the trainer is woken when it is tried again. */
  get awaitsStore(): boolean {
    return this.#eraser.isWaiting;
  }

  /** Whether the next turn has work among the chunks that are read. */
  get hasWork(): boolean {
    return this.#flights.mayBegin || this.#flights.mustLearn || this.#reader.hasErasing;
  }

  /** The partitions without chunks that keep the trainer from its next batch. */
  get lacking(): readonly LackingPartition[] {
    return this.#flights.lacking;
  }

  /** The state for a snapshot that cuts here. */
  get atCut(): TrainerAtCut {
    const isGoingBack = this.#stopped?.kind === "goingBack";
    const lacking = this.#eraser.isUnderWay ? "erasure" : isGoingBack ? "way back" : undefined;
    return { progress: this.progress.now, recovery: this.#recovery, lacking };
  }

  /**
   * Goes on from the newest snapshot that all shards have reached.
   *
   * @param wake Called when a partition has new chunks.
   * @throws {ShardBehindError} A shard is behind the oldest snapshot; all shards go back.
   * @throws {ShardAheadError} A shard has learned rows that the log has lost; all shards go back.
   */
  async resume(applied: AppliedSequences, wake: () => void): Promise<void> {
    const { context, options, exampleLog, blobs, session, shards, metrics } = this.#parts;
    // The kernel of the batches has rows in its memory.
    const kernel = BatchKernel.create();
    const stores = { blobs, exampleLog, kernel };
    const refusals = await Refusals.open(stores, context.clock, options);
    this.#recovery = this.#recoveryWith(refusals);
    const startParts = { context, options, blobs, exampleLog, session, learned: shards.learned };
    const judges = { refusals, recovery: this.#recovery };
    const cut = await resumeModel(startParts, applied, judges).catch(async (error) => {
      // The trainer restarts after them.
      const isApart = error instanceof ShardBehindError || error instanceof ShardAheadError;
      if (isApart) await shards.goBack();
      if (error instanceof ShardAheadError) {
        this.#parts.logLosses.add(options.name);
        metrics.logLost();
      }
      throw error;
    });
    this.progress.start(cut, applied);
    this.#reader = this.#readFrom(kernel, partitionStarts(cut, applied, refusals));
    this.#flights = new Flights(this.#reader, this.pipeline);
    // Last: the log would keep a trainer whose start fails, with all its memory.
    const unfollow = this.#reader.follow(wake);
    const unread = showUnread(
      context,
      { name: "examples", log: exampleLog },
      () => this.learnedAt.offsets,
    );
    this.#unread = unread;
    this.#unsubscribe = () => {
      unfollow();
      unread.end();
    };
  }

  /** Chunks of its partitions that are not learned; undefined while the log's end is unknown. */
  get chunksUnread(): number | undefined {
    return this.#unread?.count();
  }

  /** Ends the subscription to the example log. */
  end(): void {
    this.#unsubscribe();
  }

  /**
   * Reads ahead, begins batches, tells the joiners whose chunks are all begun, learns from at most
   * one batch, and erases.
   *
   * @returns Whether all chunks of the log are read.
   */
  async turn(): Promise<boolean> {
    const caughtUp = await this.#flights.begin();
    for (const drained of this.#reader.drained()) {
      this.#parts.joiners.tell(drained.partition, { kind: "chunksTaken", ...drained });
    }
    if (this.#flights.mustLearn) {
      await this.#learnOldest();
      if (this.#stopped !== undefined) return caughtUp;
    }
    if (this.pipeline.isEmpty && this.#reader.hasErasing) await this.#erase();
    // Chunks without rows, and of another schema, still move the progress.
    if (this.pipeline.isEmpty && !this.#reader.hasNext) {
      this.progress.advance(this.#reader.progress);
    }
    return caughtUp;
  }

  /** Learns from all batches in flight: then weights, rows and sequences belong to one moment. */
  async settle(): Promise<void> {
    while (!this.pipeline.isEmpty) await this.#learnOldest();
    await this.pipeline.drain();
  }

  /** Tries again what waited for the blob store. */
  async retryStore(): Promise<void> {
    this.#eraser.endWait();
    if (this.#stopped?.kind === "goingBack") await this.#goBack(this.#stopped.error);
  }

  /**
   * Removes the rows of erased users; all batches before are learned. The erasures stay in the
   * reader until they are recorded.
   */
  async #erase(): Promise<void> {
    await this.pipeline.drain();
    const isDone = await this.#eraser.erase(this.#reader.erasing, this.#recovery);
    if (isDone) this.progress.moveBehind(this.#reader.takeErasing());
  }

  #learned(learned: LearnedBatch): void {
    this.#recovery.learned(learned.batch);
    this.progress.learned(learned);
  }

  async #learnOldest(): Promise<void> {
    const refused = await this.pipeline.learnOldest();
    if (refused === undefined) return;
    this.#reader.putBack(refused.behind);
    await this.#recovery.putAside(refused);
    this.progress.moveBehind(refused.batch);
    if (await this.#recovery.isModelBroken()) await this.#goBack(refused.error);
  }

  /** Goes back to a snapshot by a restart; stops learning where that is impossible. */
  async #goBack(error: Error): Promise<void> {
    const { context, metrics } = this.#parts;
    const reason = await this.#recovery.goBack(this.progress.now, error);
    if (reason === undefined) {
      this.#stopped = { kind: "goingBack", error };
      context.schedule(STORE_RETRY_MS, { kind: "storeRetryDue" });
      return;
    }
    this.#stopped = { kind: "diverged", reason };
    metrics.diverged();
    context.telemetry.log("error", reason);
  }

  #recoveryWith(refusals: Refusals): Recovery {
    const { context: { telemetry, clock }, options, blobs, session, shards, metrics } = this.#parts;
    const { pipeline } = this;
    const parts = { options, telemetry, clock, blobs, session, shards, pipeline, metrics };
    return new Recovery(parts, refusals);
  }

  #readFrom(kernel: BatchKernel, starts?: readonly PartitionStart[]): ExampleReader {
    const { context, options, exampleLog, metrics } = this.#parts;
    const parts = {
      log: exampleLog,
      kernel,
      telemetry: context.telemetry,
      onSkipped: (rows: number) => metrics.rowsSkipped(rows),
    };
    return new ExampleReader(options, parts, starts);
  }
}
