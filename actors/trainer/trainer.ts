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
import { bisect } from "./bisection.ts";
import { BatchPipeline, type LearnedBatch, type RefusedBatch } from "./batch_pipeline.ts";
import { ExampleReader } from "./example_reader.ts";
import type { TrainerOptions } from "./options.ts";
import type { AdoptMean, Cut, TrainerMessage } from "./protocol.ts";
import { Refusals } from "./refusals.ts";
import { findResumePoint, newestPart, requireExamples, restoreModel } from "./resume_point.ts";
import { ShardClient } from "./shard_client.ts";
import { cutParts, type StateAtCut } from "./snapshot_cut.ts";
import { TaskValidation } from "./task_validation.ts";
import { TrainerMetrics } from "./trainer_metrics.ts";
import { type Progress, rangeOf } from "./training_batch.ts";
import { WeightExchange } from "./weight_exchange.ts";

export interface TrainerDependencies {
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  createSession(): Promise<TrainingSession>;
}

/** Interval at which the shards are asked whether they were restarted, ms. */
const SHARD_CHECK_MS = 1_000;

/** Longest wait of a cut for the end of a group, ms. */
const CUT_WAIT_MS = 500;

/** A diverged trainer answers requests, and reads and learns nothing. */
type TrainerState =
  | { readonly kind: "training" }
  | { readonly kind: "diverged"; readonly reason: string };

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
  #unsubscribe: () => void = () => {};
  #state: TrainerState = { kind: "training" };
  #refusals: Refusals;
  #reader: ExampleReader;
  #woken = false;
  /** Cuts that wait for the end of a group, with their times on the monotonic clock. */
  readonly #cuts: { readonly message: Cut; readonly atMs: number }[] = [];
  #progress: Progress = { sequence: 0, offset: 0, learnedThroughMs: 0 };
  #steps = 0;
  #examples = 0;
  #loss = 0;
  #rowsRefused = 0;

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
    const { layout, partition, source, taskNames } = options;
    this.#kernel = BatchKernel.create(layout.classes);
    const shards = options.shards.map((address) =>
      context.actorRef<EmbeddingShardMessage>(address)
    );
    this.#shards = new ShardClient(shards, {
      source,
      widths: layout.classes.map(widthOf),
      budgetMs: options.shardBudgetMs,
      attemptsMax: options.shardAttemptsMax,
    });
    const labels = { trainer: String(partition) };
    const tasks = session.model.tasks.map(({ loss }, i) => ({ name: taskNames[i], loss }));
    this.#validation = new TaskValidation(tasks, options.validationBins, telemetry, labels);
    this.#metrics = new TrainerMetrics(telemetry, labels);
    this.#exchange = new WeightExchange(session);
    this.#refusals = Refusals.empty(dependencies.blobs, clock, source);
    this.#reader = this.#readFrom();
    this.#pipeline = new BatchPipeline({
      session,
      kernel: this.#kernel,
      shards: this.#shards,
      clock,
      onStep: (batch, { logits }) =>
        this.#validation.record({ ...batch, rows: batch.features.rows }, logits),
      onLearned: (learned) => this.#learned(learned),
    }, options);
  }

  static async start(
    context: ActorContext<TrainerMessage>,
    options: TrainerOptions,
    dependencies: TrainerDependencies,
  ): Promise<Trainer> {
    const session = await dependencies.createSession();
    try {
      const trainer = new Trainer(context, options, dependencies, session);
      await trainer.#resume();
      return trainer;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async receive(message: TrainerMessage): Promise<void> {
    switch (message.kind) {
      case "examplesAppended":
        this.#woken = false;
        return await this.#turn();
      case "checkShards":
        this.#context.schedule(SHARD_CHECK_MS, message);
        return await this.#shards.check();
      case "cut":
        return await this.#requestCut(message);
      case "cutWaits":
        return await this.#endWait();
      case "getStatus":
        return this.#context.reply(message, {
          steps: this.#steps,
          examples: this.#examples,
          loss: this.#loss,
          learnedThroughMs: this.#progress.learnedThroughMs,
          incarnations: this.#shards.incarnations,
          rowsRefused: this.#rowsRefused,
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
    // Gradients must not reach a shard after its mark was read again, nor a step a closed session.
    await this.#pipeline.drain();
    await this.#session.close();
  }

  /** Reads ahead, begins batches, and learns from at most one. */
  async #turn(): Promise<void> {
    if (this.#isStopped) return await this.#takeCuts();
    let caughtUp = await this.#reader.read();
    while (this.#mayBegin) {
      const batch = this.#reader.take();
      this.#pipeline.begin(present(batch, "a batch waits"));
      caughtUp = await this.#reader.read();
    }
    if (this.#mayLearn) {
      await this.#learnOldest();
      if (this.#isStopped) return await this.#takeCuts();
    }
    if (this.#pipeline.isEmpty) {
      // Chunks without rows, and of another schema, still move the progress.
      if (!this.#reader.hasBatch) this.#advance(this.#reader.progress);
      await this.#takeCuts();
    }
    if (this.#mayBegin || this.#mayLearn || !caughtUp) this.#wake();
  }

  /**
   * Whether the next batch may begin. The log decides which batches are in flight together, not the
   * time of their arrival: with pipelining, a replay then looks up the same rows.
   */
  get #mayBegin(): boolean {
    if (!this.#reader.hasBatch || !this.#pipeline.hasRoom) return false;
    return this.#pipeline.isEmpty || !this.#reader.endsGroup;
  }

  /** Whether no other batch is to begin before the gradients of the oldest one are sent. */
  get #mayLearn(): boolean {
    return !this.#pipeline.isEmpty && (!this.#pipeline.hasRoom || this.#reader.endsGroup);
  }

  #learned({ batch, loss, tookMs }: LearnedBatch): void {
    const { features: { rows }, sequence, after } = batch;
    invariant(sequence >= this.#progress.sequence + rows, "each row is learned once");
    this.#steps++;
    this.#examples += rows;
    this.#loss = loss;
    this.#metrics.batchLearned({ rows, loss, tookMs });
    this.#advance(after);
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
    return this.#state.kind === "diverged";
  }

  async #learnOldest(): Promise<void> {
    const refused = await this.#pipeline.learnOldest();
    if (refused === undefined) return this.#refusals.learned();
    this.#reader.putBack(refused.behind);
    await this.#putAside(refused);
  }

  /** Learns from all batches in flight: then weights, rows and marks belong to one moment. */
  async #settle(): Promise<void> {
    while (!this.#pipeline.isEmpty) await this.#learnOldest();
    await this.#pipeline.drain();
  }

  /** Learns from a refused batch without the rows that cause the refusal, which are recorded. */
  async #putAside({ batch, error }: RefusedBatch): Promise<void> {
    const refused = await bisect(batch, error, async (part) => {
      this.#pipeline.begin(part);
      return (await this.#pipeline.learnOldest())?.error;
    });
    this.#advance(batch.after);
    const { source } = this.#options;
    try {
      const rows = await this.#refusals.record(batch, refused);
      this.#rowsRefused += rows;
      this.#metrics.rowsRefused(rows);
    } catch (cause) {
      this.#context.telemetry.log("warn", `cannot write the quarantine of ${source}`, { cause });
    }
    const rows = refused.map(({ part }) => rangeOf(part)).join(", ");
    const fields = { cause: error.message };
    if (rows === "") {
      const message = `${source} learned a batch in parts, which was refused as a whole`;
      this.#context.telemetry.log("warn", message, fields);
    } else {
      const message =
        `${source} put examples aside whose loss is not finite or exploded, and goes on: rows ` +
        `${rows} of partition ${this.#options.partition} of the example log`;
      this.#context.telemetry.log("error", message, fields);
    }
    if (this.#refusals.modelIsBroken) await this.#goBack(error);
  }

  /**
   * Gives up the model's newest state: the shards restart from the newest snapshot, this trainer
   * after them, and the rows since then are passed over. Stops training where that is impossible.
   *
   * @throws {Error} To be restarted.
   */
  async #goBack(error: Error): Promise<void> {
    const { source } = this.#options;
    const part = await newestPart(this.#dependencies.blobs, source);
    if (part === undefined || !this.#refusals.mayGoBack) return this.#diverge(error);
    const { version } = await this.#session.weights();
    const { sequence } = this.#progress;
    await this.#refusals.skip({
      from: part.sequence,
      to: sequence,
      reason: error.message,
      version,
    });
    this.#metrics.wentBack();
    await this.#shards.goBack();
    throw new Error(
      `${source} goes back to the snapshot at row ${part.sequence}, and passes over the rows up ` +
        `to ${sequence}: its model refuses most examples. ${error.message}`,
    );
  }

  #diverge(error: Error): void {
    const reason = `${this.#options.source} has stopped training: its model refuses most ` +
      `examples, and there is no snapshot to go back to, or it went back too often. Serving ` +
      `continues with the last accepted weights. ${error.message}`;
    this.#state = { kind: "diverged", reason };
    this.#metrics.diverged();
    this.#context.telemetry.log("error", reason);
  }

  /** Goes on from the newest snapshot that all shards have reached. */
  async #resume(): Promise<void> {
    const marks = await this.#shards.open();
    const { source } = this.#options;
    const { blobs } = this.#dependencies;
    this.#refusals = await Refusals.open(blobs, this.#context.clock, source);
    const resume = await findResumePoint(blobs, source, Math.min(...marks));
    if (resume !== undefined) {
      const { part, checkpoint } = resume;
      await requireExamples(this.#dependencies.exampleLog, part);
      const differences = await restoreModel(
        this.#session,
        this.#refusals.aboveGivenUp(checkpoint),
      );
      if (differences.length > 0) {
        this.#context.telemetry.log(
          "warn",
          `The dense model of ${source} differs from its snapshot's: new parts have initial ` +
            "weights, and the optimizer's state begins anew",
          { differences },
        );
      }
      const { sequence, offset, learnedThroughMs } = part;
      this.#progress = { sequence, offset, learnedThroughMs };
    }
    const ahead = marks.filter((mark) => mark > this.#progress.sequence);
    this.#reader = this.#readFrom(resume === undefined ? undefined : this.#progress, ahead);
    this.#metrics.learnedUpTo(this.#progress.sequence);
    this.#context.schedule(SHARD_CHECK_MS, { kind: "checkShards" });
    // Last: the log would keep a trainer whose start fails, with all its memory.
    const { exampleLog } = this.#dependencies;
    this.#unsubscribe = exampleLog.onAppended(this.#options.partition, () => this.#wake());
    this.#wake();
  }

  #readFrom(start?: Progress, marks?: readonly number[]): ExampleReader {
    const parts = {
      log: this.#dependencies.exampleLog,
      telemetry: this.#context.telemetry,
      onSkipped: (rows: number) => this.#metrics.rowsSkipped(rows),
    };
    return new ExampleReader(this.#options, parts, start, marks, this.#refusals.skipped);
  }

  /** False where no such offer is open: the trainer was restarted since it made it. */
  async #adopt({ mean, offered }: AdoptMean): Promise<boolean> {
    if (!this.#exchange.isOpen(offered)) return false;
    await this.#settle(); // a step between reading and loading the weights would be lost
    await this.#exchange.adopt(mean);
    return true;
  }

  /** Makes the cuts that wait for the end of a group. */
  async #takeCuts(): Promise<void> {
    for (const { message } of this.#cuts.splice(0)) await this.#cut(message);
  }

  /**
   * Takes a cut in at the end of a group, so that a cut changes no bit of what is learned. Where
   * the group does not end (the example log is full, the joiner is restarting), it ends here.
   */
  async #requestCut(message: Cut): Promise<void> {
    if (this.#pipeline.isEmpty) return await this.#cut(message);
    this.#cuts.push({ message, atMs: this.#context.clock.monotonicMs() });
    this.#context.schedule(CUT_WAIT_MS, { kind: "cutWaits" });
  }

  /** Makes the cuts that have waited long enough. */
  async #endWait(): Promise<void> {
    const nowMs = this.#context.clock.monotonicMs();
    if (!this.#cuts.some(({ atMs }) => nowMs - atMs >= CUT_WAIT_MS)) return;
    await this.#settle();
    await this.#takeCuts();
    this.#wake();
  }

  async #cut(message: Cut): Promise<void> {
    // An asker that has given up must get no snapshot that it does not know.
    if (this.#context.remainingMs(message) === 0) return;
    await this.#pipeline.drain();
    invariant(this.#pipeline.isEmpty, "a cut holds what is settled");
    const context = this.#context;
    try {
      const parts = await cutParts(message, this.#progress.sequence, () => this.#readState(), {
        context,
        options: this.#options,
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
    return {
      source,
      partition,
      ...this.#progress,
      checkpoint: await this.#session.checkpoint(),
    };
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "examplesAppended" });
  }
}
