/**
 * The trainer's behaviour: example log → batches → embedding rows → dense step → gradients to the
 * shards.
 *
 * It trains on one batch a turn, so that requests are answered between batches. With pipelining the
 * next batches are looked up and pooled during the dense step of the current one.
 *
 * At its start it goes on from the newest snapshot that every shard has reached, or from the log's
 * beginning: the dense model learns the rows after it again, and each shard ignores the gradients
 * that it has applied before.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { widthOf } from "../../kernels/embedding/row_classes.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import { BatchPipeline, type LearnedBatch } from "./batch_pipeline.ts";
import type { RowRange } from "./chunk_batches.ts";
import { Eraser, STORE_RETRY_MS } from "./eraser.ts";
import { ExampleReader } from "./example_reader.ts";
import type { TrainerOptions } from "./options.ts";
import type { AdoptMean, Cut, OfferWeights, TrainerMessage } from "./protocol.ts";
import { Recovery } from "./recovery.ts";
import { Refusals } from "./refusals.ts";
import {
  findResumePoint,
  requireExamples,
  restoreModel,
  warnOfDifferences,
  warnOfTrimmed,
} from "./resume_point.ts";
import { ShardClient } from "./shard_client.ts";
import { cutParts, type StateAtCut } from "./snapshot_cut.ts";
import { TaskValidation } from "./task_validation.ts";
import { TrainerMetrics } from "./trainer_metrics.ts";
import type { ExampleBatch, Progress } from "./example_batch.ts";
import { WaitingCuts } from "./waiting_cuts.ts";
import { WeightExchange } from "./weight_exchange.ts";

export interface TrainerDependencies {
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  createSession(): Promise<TrainingSession>;
}

/** Interval at which the shards are asked whether they were restarted, ms. */
const SHARD_CHECK_MS = 1_000;

/** A diverged trainer answers requests, and reads and learns nothing. */
type TrainerState =
  | { readonly kind: "training" }
  /** The shards load their rows; the weights of the newest snapshot are served meanwhile. */
  | { readonly kind: "waitingForShards"; readonly marks: Promise<readonly number[]> }
  | { readonly kind: "diverged"; readonly reason: string }
  /** The model is broken, and the blob store refuses the record of the way back. */
  | { readonly kind: "goingBack"; readonly error: Error };

/** Requests that need the rows of the shards. */
function isOfTraining(message: TrainerMessage): message is Cut | OfferWeights | AdoptMean {
  return ["cut", "offerWeights", "adoptMean"].includes(message.kind);
}

export class Trainer implements Behavior<TrainerMessage> {
  readonly #context: ActorContext<TrainerMessage>;
  readonly #options: TrainerOptions;
  readonly #dependencies: TrainerDependencies;
  readonly #session: TrainingSession;
  readonly #kernel: BatchKernel;
  readonly #shards: ShardClient;
  readonly #pipeline: BatchPipeline;
  readonly #exchange: WeightExchange;
  readonly #validation: TaskValidation;
  readonly #metrics: TrainerMetrics;
  readonly #cuts: WaitingCuts;
  readonly #eraser: Eraser;
  #unsubscribe: () => void = () => {};
  #state: TrainerState = { kind: "training" };
  #recovery: Recovery;
  #reader: ExampleReader;
  /** Whether the host's lease holds; the trainer stands still otherwise. */
  #isLeased = true;
  #woken = false;
  #progress: Progress = { sequence: 0, offset: 0, learnedThroughMs: 0 };
  /** Rows that a shard had applied when this trainer started. */
  #learnedBefore = 0;
  #steps = 0;
  #examples = 0;
  #loss = 0;

  private constructor(
    context: ActorContext<TrainerMessage>,
    options: TrainerOptions,
    dependencies: TrainerDependencies,
    session: TrainingSession,
  ) {
    this.#context = context;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#session = session;
    const { telemetry, clock } = context;
    const { layout, partition, source, tenure, taskNames } = options;
    this.#kernel = BatchKernel.create(layout.classes);
    const shards = options.shards.map((address) =>
      context.actorRef<EmbeddingShardMessage>(address)
    );
    this.#shards = new ShardClient(shards, {
      source,
      tenure,
      widths: layout.classes.map(widthOf),
      context,
      budgetMs: options.shardBudgetMs,
      attemptsMax: options.shardAttemptsMax,
    });
    const labels = { trainer: String(partition) };
    const tasks = session.model.tasks.map(({ loss }, i) => ({ name: taskNames[i], loss }));
    this.#validation = new TaskValidation(tasks, options.validationBins, telemetry, labels);
    this.#metrics = new TrainerMetrics(telemetry, labels);
    this.#exchange = new WeightExchange(session);
    this.#cuts = new WaitingCuts(context);
    const { blobs } = dependencies;
    this.#eraser = new Eraser({
      options,
      shards: this.#shards,
      kernel: this.#kernel,
      blobs,
      context,
    });
    this.#reader = this.#readFrom();
    this.#pipeline = new BatchPipeline({
      session,
      kernel: this.#kernel,
      shards: this.#shards,
      clock,
      tracing: context.tracing,
      onStep: (batch, { logits }) => {
        if (this.#isRepeated(batch)) return;
        this.#validation.record({ ...batch, rows: batch.features.rows }, logits);
      },
      onLearned: (learned) => this.#learned(learned),
    }, options);
    this.#recovery = this.#recoveryWith(Refusals.empty(dependencies.blobs, clock, source));
  }

  static async start(
    context: ActorContext<TrainerMessage>,
    options: TrainerOptions,
    dependencies: TrainerDependencies,
  ): Promise<Trainer> {
    const session = await dependencies.createSession();
    try {
      const trainer = new Trainer(context, options, dependencies, session);
      await trainer.#begin();
      return trainer;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async receive(message: TrainerMessage): Promise<void> {
    if (this.#state.kind === "waitingForShards" && isOfTraining(message)) {
      const { source } = this.#options;
      const error = new Error(`${source} waits for its shards, which still load their rows.`);
      return this.#context.replyError(message, error);
    }
    switch (message.kind) {
      case "shardsOpened":
        return await this.#shardsOpened();
      case "examplesAppended":
        this.#woken = false;
        return await this.#turn();
      case "checkShards":
        this.#context.schedule(SHARD_CHECK_MS, message);
        return await this.#shards.check();
      case "setLeased":
        this.#isLeased = message.isLeased;
        if (this.#isLeased) this.#wake();
        return;
      case "cut":
        if (this.#pipeline.isEmpty && !this.#eraser.isUnderWay) return await this.#cut(message);
        return this.#cuts.add(message);
      case "cutWaits":
        return await this.#endFlight();
      case "storeRetryDue":
        this.#eraser.endWait();
        if (this.#state.kind === "goingBack") return await this.#goBack(this.#state.error);
        return await this.#turn();
      case "getStatus":
        return this.#context.reply(message, {
          steps: this.#steps,
          examples: this.#examples,
          loss: this.#loss,
          learnedThroughMs: this.#progress.learnedThroughMs,
          incarnations: this.#shards.incarnations,
          rowsRefused: this.#recovery.rowsRefused,
          offset: this.#progress.offset,
          ...(this.#state.kind === "diverged" ? { diverged: this.#state.reason } : {}),
        });
      case "getProgressiveValidation":
        return this.#context.reply(message, this.#validation.read());
      case "getDenseWeights":
        return this.#context.reply(message, {
          weights: await this.#session.weights(),
          learnedThroughMs: this.#progress.learnedThroughMs,
        });
      case "offerWeights":
        await this.#settle();
        return this.#context.reply(message, await this.#exchange.offer(this.#examples));
      case "adoptMean":
        return this.#context.reply(message, { adopted: await this.#adopt(message) });
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#shards.end();
    // Gradients must not reach a shard after its mark was read again, nor a step a closed session.
    await this.#pipeline.drain();
    await this.#session.close();
  }

  /** Reads ahead, begins batches, and learns from at most one. */
  async #turn(): Promise<void> {
    if (this.#state.kind === "waitingForShards") return;
    if (this.#isStopped) return await this.#takeCuts();
    if (!this.#isLeased) return;
    let caughtUp = await this.#reader.read();
    while (this.#mayBegin) {
      const batch = this.#reader.take();
      this.#pipeline.begin(present(batch, "a batch waits"));
      caughtUp = await this.#reader.read();
    }
    if (this.#mustLearn) {
      await this.#learnOldest();
      if (this.#isStopped) return await this.#takeCuts();
    }
    if (this.#pipeline.isEmpty && this.#reader.hasErasing) await this.#erase();
    if (this.#pipeline.isEmpty) {
      // Chunks without rows, and of another schema, still move the progress.
      if (!this.#reader.hasNext) this.#advance(this.#reader.progress);
      if (!this.#eraser.isUnderWay) await this.#takeCuts();
    }
    if (this.#eraser.isWaiting) return; // it wakes the trainer, however much has been read
    const { hasErasing } = this.#reader;
    if (this.#mayBegin || this.#mustLearn || hasErasing || !caughtUp) this.#wake();
  }

  /**
   * Whether the next batch may begin. The log decides which batches are in flight together, not the
   * time of their arrival: with pipelining, a replay then looks up the same rows.
   */
  get #mayBegin(): boolean {
    if (!this.#reader.hasBatch || !this.#pipeline.hasRoom) return false;
    return this.#pipeline.isEmpty || !this.#reader.endsFlight;
  }

  /** Whether the gradients of the oldest batch must be sent before another batch begins. */
  get #mustLearn(): boolean {
    return !this.#pipeline.isEmpty && (!this.#pipeline.hasRoom || this.#reader.endsFlight);
  }

  /**
   * Removes the rows of erased users; all batches before are learned. The erasures stay in the
   * reader until they are recorded.
   */
  async #erase(): Promise<void> {
    await this.#pipeline.drain();
    const isDone = await this.#eraser.erase(this.#reader.erasing, this.#recovery);
    if (isDone) this.#advance(this.#reader.takeErasing().after);
  }

  #learned({ batch, loss, tookMs }: LearnedBatch): void {
    const { features: { rows }, sequence, after } = batch;
    invariant(sequence >= this.#progress.sequence + rows, "each row is learned once");
    this.#steps++;
    this.#examples += rows;
    this.#loss = loss;
    this.#metrics.batchLearned({ rows: this.#isRepeated(batch) ? 0 : rows, loss, tookMs });
    this.#recovery.learned(batch);
    this.#advance(after);
  }

  /**
   * Whether a shard has applied the batch before this trainer's restart. Then it is not counted
   * again, nor validated: the shards' rows have learned its labels.
   */
  #isRepeated({ sequence }: ExampleBatch): boolean {
    return sequence <= this.#learnedBefore;
  }

  #advance(progress: Progress): void {
    const { sequence, offset, learnedThroughMs } = this.#progress;
    invariant(
      progress.sequence >= sequence && progress.offset >= offset &&
        progress.learnedThroughMs >= learnedThroughMs,
      "a trainer reads its log forwards",
    );
    this.#progress = progress;
    this.#metrics.learnedUpTo(progress.sequence);
  }

  get #isStopped(): boolean {
    return this.#state.kind === "diverged" || this.#state.kind === "goingBack";
  }

  async #learnOldest(): Promise<void> {
    const refused = await this.#pipeline.learnOldest();
    if (refused === undefined) return;
    this.#reader.putBack(refused.behind);
    await this.#recovery.putAside(refused);
    this.#advance(refused.batch.after);
    if (await this.#recovery.isModelBroken()) await this.#goBack(refused.error);
  }

  /** Goes back to a snapshot by a restart; stops training where that is impossible. */
  async #goBack(error: Error): Promise<void> {
    const reason = await this.#recovery.goBack(this.#progress.sequence, error);
    if (reason === undefined) {
      this.#state = { kind: "goingBack", error };
      this.#context.schedule(STORE_RETRY_MS, { kind: "storeRetryDue" });
      return;
    }
    this.#state = { kind: "diverged", reason };
    this.#metrics.diverged();
    this.#context.telemetry.log("error", reason);
  }

  /** Learns from all batches in flight: then weights, rows and marks belong to one moment. */
  async #settle(): Promise<void> {
    while (!this.#pipeline.isEmpty) await this.#learnOldest();
    await this.#pipeline.drain();
  }

  /**
   * Waits for the shards a moment; shards that still load their rows are waited for later. They
   * have been waited for at their own start.
   */
  async #begin(): Promise<void> {
    const { source, loadWaitMs } = this.#options;
    const marks = this.#shards.open();
    let areLoading = false;
    const known = this.#shards.areLoading().then((are) => {
      areLoading = are;
      return are ? [] : marks;
    });
    const isSettled = await this.#context.settlesWithin(Promise.race([marks, known]), loadWaitMs);
    if (isSettled && !areLoading) return await this.#resume(await marks);
    const newest = await findResumePoint(this.#dependencies.blobs, source, Infinity);
    // Without a snapshot the shards load nothing, and there are no weights to serve.
    if (newest === undefined) return await this.#resume(await marks);
    await restoreModel(this.#session, newest.state.model);
    this.#state = { kind: "waitingForShards", marks };
    this.#context.telemetry.log(
      "info",
      `${source} waits for its shards, and learns when they have their rows`,
    );
    const tell = () => void this.#context.schedule(0, { kind: "shardsOpened" });
    marks.then(tell, tell);
  }

  async #shardsOpened(): Promise<void> {
    if (this.#state.kind !== "waitingForShards") return;
    // A shard that cannot be reached crashes the trainer here.
    const marks = await this.#state.marks;
    this.#state = { kind: "training" };
    await this.#resume(marks);
  }

  /** Goes on from the newest snapshot that all shards have reached. */
  async #resume(marks: readonly number[]): Promise<void> {
    const { source } = this.#options;
    const { blobs } = this.#dependencies;
    const refusals = await Refusals.open(blobs, this.#context.clock, this.#options);
    this.#recovery = this.#recoveryWith(refusals);
    const resume = await findResumePoint(blobs, source, Math.min(...marks));
    if (resume !== undefined) {
      const { part, state } = resume;
      await requireExamples(this.#dependencies.exampleLog, part);
      const differences = await restoreModel(this.#session, refusals.aboveGivenUp(state.model));
      warnOfDifferences(this.#context.telemetry, source, differences);
      this.#recovery.restore(state.judgement);
      const { sequence, offset, learnedThroughMs } = part;
      this.#progress = { sequence, offset, learnedThroughMs };
    } else {
      const { exampleLog } = this.#dependencies;
      await warnOfTrimmed(this.#context.telemetry, source, exampleLog, this.#options.partition);
    }
    const ahead = marks.filter((mark) => mark > this.#progress.sequence);
    const start = resume === undefined ? undefined : this.#progress;
    this.#reader = this.#readFrom(start, ahead, refusals.skipped);
    this.#learnedBefore = Math.max(...marks);
    this.#metrics.learnedUpTo(this.#progress.sequence);
    this.#context.schedule(SHARD_CHECK_MS, { kind: "checkShards" });
    // Last: the log would keep a trainer whose start fails, with all its memory.
    const { exampleLog } = this.#dependencies;
    this.#unsubscribe = exampleLog.onAppended(this.#options.partition, () => this.#wake());
    this.#wake();
  }

  #recoveryWith(refusals: Refusals): Recovery {
    return new Recovery({
      options: this.#options,
      telemetry: this.#context.telemetry,
      clock: this.#context.clock,
      blobs: this.#dependencies.blobs,
      session: this.#session,
      shards: this.#shards,
      pipeline: this.#pipeline,
      metrics: this.#metrics,
    }, refusals);
  }

  #readFrom(
    start?: Progress,
    marks?: readonly number[],
    skipped?: readonly RowRange[],
  ): ExampleReader {
    const parts = {
      log: this.#dependencies.exampleLog,
      telemetry: this.#context.telemetry,
      onSkipped: (rows: number) => this.#metrics.rowsSkipped(rows),
    };
    return new ExampleReader(this.#options, parts, start, marks, skipped);
  }

  /** False where no such offer is open: the trainer was restarted since it made it. */
  async #adopt({ mean, offered }: AdoptMean): Promise<boolean> {
    if (!this.#exchange.isOpen(offered)) return false;
    await this.#settle(); // a step between reading and loading the weights would be lost
    await this.#exchange.adopt(mean);
    return true;
  }

  /** Makes the cuts that wait for the end of a flight or of an erasure. */
  async #takeCuts(): Promise<void> {
    for (const message of this.#cuts.take()) await this.#cut(message);
  }

  /** Ends the flight where a cut has waited long enough; a cut is refused in an erasure. */
  async #endFlight(): Promise<void> {
    if (!this.#cuts.areDue) return;
    await this.#settle();
    await this.#takeCuts();
    this.#wake();
  }

  async #cut(message: Cut): Promise<void> {
    await this.#pipeline.drain();
    invariant(this.#pipeline.isEmpty, "a cut holds what is settled");
    const context = this.#context;
    if (this.#eraser.isUnderWay || this.#state.kind === "goingBack") {
      const { source } = this.#options;
      const reason =
        `${source} gives no state to a snapshot while the blob store lacks a record of ` +
        (this.#eraser.isUnderWay ? "its erasure" : "its way back");
      return context.replyError(message, new Error(`${reason}: try again later.`));
    }
    try {
      const parts = await cutParts(message, this.#progress.sequence, () => this.#readState(), {
        context,
        blobs: this.#dependencies.blobs,
        kernel: this.#kernel,
        shards: this.#shards,
      });
      context.reply(message, { parts });
    } catch (error) {
      context.replyError(message, error as Error);
    }
  }

  async #readState(): Promise<StateAtCut> {
    const { source, partition } = this.#options;
    // A restart from the snapshot does not refuse the rows before it again: store their record.
    await this.#recovery.saveQuarantine();
    return {
      source,
      partition,
      ...this.#progress,
      state: {
        model: await this.#session.checkpoint(),
        judgement: this.#recovery.judgement,
      },
    };
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "examplesAppended" });
  }
}
