/**
 * The trainer's behaviour: partitions of the example log → batches in one order → embedding rows →
 * dense step → gradients to the shards.
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
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import { BatchPipeline, type LearnedBatch } from "./batch_pipeline.ts";
import type { PartitionStart } from "./chunk_batches.ts";
import { Eraser, STORE_RETRY_MS } from "./eraser.ts";
import { ExampleReader, type LackingPartition } from "./example_reader.ts";
import { Flights } from "./flights.ts";
import { LackingPartitions } from "./lacking_partitions.ts";
import type { TrainerOptions } from "./options.ts";
import type { AdoptMean, Cut, OfferWeights, TrainerMessage } from "./protocol.ts";
import { Recovery } from "./recovery.ts";
import { Refusals } from "./refusals.ts";
import { type AppliedSequences, ShardClient } from "./shard_client.ts";
import { SnapshotCuts, type TrainerAtCut } from "./snapshot_cuts.ts";
import { TaskValidation } from "./task_validation.ts";
import { TrainerMetrics } from "./trainer_metrics.ts";
import { partitionStarts, resumeModel, serveNewest, type StartParts } from "./trainer_start.ts";
import { ShardBehindError } from "./resume_point.ts";
import { TrainerProgress } from "./trainer_progress.ts";
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
  | { readonly kind: "waitingForShards"; readonly applied: Promise<AppliedSequences> }
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
  readonly #shards: ShardClient;
  readonly #pipeline: BatchPipeline;
  readonly #exchange: WeightExchange;
  readonly #validation: TaskValidation;
  readonly #metrics: TrainerMetrics;
  readonly #progress: TrainerProgress;
  readonly #cuts: SnapshotCuts;
  readonly #eraser: Eraser;
  readonly #waits: LackingPartitions;
  #unsubscribe: () => void = () => {};
  #state: TrainerState = { kind: "training" };
  #recovery: Recovery;
  #reader: ExampleReader;
  #flights: Flights;
  /** Whether the host's lease holds; the trainer stands still otherwise. */
  #isLeased = true;
  #woken = false;

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
    const { telemetry, clock, tracing } = context;
    const { blobs, exampleLog } = dependencies;
    const { layout, trainer, partitions, tenure, taskNames } = options;
    const kernel = BatchKernel.create(layout.classes);
    const refs = options.shards.map((address) => context.actorRef<EmbeddingShardMessage>(address));
    const shards = new ShardClient(refs, {
      partitions,
      tenure,
      widths: layout.classes.map(widthOf),
      context,
      budgetMs: options.shardBudgetMs,
      attemptsMax: options.shardAttemptsMax,
    });
    const labels = { trainer: String(trainer) };
    const tasks = session.model.tasks.map(({ loss }, i) => ({ name: taskNames[i], loss }));
    this.#shards = shards;
    this.#validation = new TaskValidation(tasks, options.validationBins, telemetry, labels);
    this.#metrics = new TrainerMetrics(telemetry, labels);
    this.#progress = new TrainerProgress(partitions, this.#metrics);
    this.#exchange = new WeightExchange(session);
    this.#waits = new LackingPartitions(context, options);
    this.#eraser = new Eraser({ options, shards, kernel, blobs, context });
    this.#reader = this.#readFrom();
    const pipeline = new BatchPipeline({
      session,
      kernel,
      shards,
      clock,
      tracing,
      onStep: (batch, { logits }) => {
        if (this.#progress.isRepeated(batch)) return;
        this.#validation.record({ ...batch, rows: batch.features.rows }, logits);
      },
      onLearned: (learned) => this.#learned(learned),
    }, options);
    this.#pipeline = pipeline;
    this.#flights = new Flights(this.#reader, pipeline);
    const cutParts = { options, context, blobs, exampleLog, kernel, shards, session, pipeline };
    this.#cuts = new SnapshotCuts(cutParts, () => this.#atCut());
    this.#recovery = this.#recoveryWith(
      Refusals.empty({ blobs, exampleLog, kernel }, clock, partitions),
    );
  }

  static async start(
    context: ActorContext<TrainerMessage>,
    options: TrainerOptions,
    dependencies: TrainerDependencies,
  ): Promise<Trainer> {
    // The log may have been opened before some of these partitions were added.
    const partitions = 1 + Math.max(...options.partitions);
    await dependencies.exampleLog.extend?.({ firstPartition: 0, partitions });
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
      const { name } = this.#options;
      const error = new Error(`${name} waits for its shards, which still load their rows.`);
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
      case "reachDue":
        return this.#waits.reach(this.#lacking);
      case "setLeased":
        this.#isLeased = message.isLeased;
        if (this.#isLeased) this.#wake();
        return;
      case "cut":
        if (this.#pipeline.isEmpty && !this.#eraser.isUnderWay) {
          return await this.#cuts.make(message);
        }
        return this.#cuts.add(message);
      case "cutWaits":
        return await this.#endFlight();
      case "storeRetryDue":
        this.#eraser.endWait();
        if (this.#state.kind === "goingBack") return await this.#goBack(this.#state.error);
        return await this.#turn();
      case "getStatus":
        return this.#context.reply(message, {
          steps: this.#progress.steps,
          examples: this.#progress.examples,
          loss: this.#progress.loss,
          ...this.#reader.learnedAt(this.#progress.now),
          incarnations: this.#shards.incarnations,
          dealing: this.#options.dealing,
          rowsRefused: this.#recovery.rowsRefused,
          ...(this.#state.kind === "diverged" ? { diverged: this.#state.reason } : {}),
        });
      case "getProgressiveValidation":
        return this.#context.reply(message, this.#validation.read());
      case "getDenseWeights": {
        const weights = await this.#session.weights();
        const { learnedThroughMs } = this.#reader.learnedAt(this.#progress.now);
        return this.#context.reply(message, { weights, learnedThroughMs });
      }
      case "offerWeights":
        await this.#settle();
        return this.#context.reply(message, await this.#exchange.offer(this.#progress.examples));
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
    if (this.#isStopped) return await this.#cuts.makeWaiting();
    if (!this.#isLeased) return;
    const flights = this.#flights;
    const caughtUp = await flights.begin();
    if (flights.mustLearn) {
      await this.#learnOldest();
      if (this.#isStopped) return await this.#cuts.makeWaiting();
    }
    if (this.#pipeline.isEmpty && this.#reader.hasErasing) await this.#erase();
    if (this.#pipeline.isEmpty) {
      // Chunks without rows, and of another schema, still move the progress.
      if (!this.#reader.hasNext) this.#progress.advance(this.#reader.progress);
      if (!this.#eraser.isUnderWay) await this.#cuts.makeWaiting();
    }
    if (this.#eraser.isWaiting) return; // it wakes the trainer, however much has been read
    const { hasErasing } = this.#reader;
    if (flights.mayBegin || flights.mustLearn || hasErasing || !caughtUp) this.#wake();
    else this.#waits.await(this.#lacking);
  }

  /** The partitions without chunks that keep the trainer from its next batch. */
  get #lacking(): readonly LackingPartition[] {
    if (this.#isStopped || !this.#isLeased) return [];
    return this.#flights.lacking;
  }

  /**
   * Removes the rows of erased users; all batches before are learned. The erasures stay in the
   * reader until they are recorded.
   */
  async #erase(): Promise<void> {
    await this.#pipeline.drain();
    const isDone = await this.#eraser.erase(this.#reader.erasing, this.#recovery);
    if (isDone) this.#progress.moveBehind(this.#reader.takeErasing());
  }

  #learned(learned: LearnedBatch): void {
    this.#recovery.learned(learned.batch);
    this.#progress.learned(learned);
  }

  get #isStopped(): boolean {
    return this.#state.kind === "diverged" || this.#state.kind === "goingBack";
  }

  async #learnOldest(): Promise<void> {
    const refused = await this.#pipeline.learnOldest();
    if (refused === undefined) return;
    this.#reader.putBack(refused.behind);
    await this.#recovery.putAside(refused);
    this.#progress.moveBehind(refused.batch);
    if (await this.#recovery.isModelBroken()) await this.#goBack(refused.error);
  }

  /** Goes back to a snapshot by a restart; stops training where that is impossible. */
  async #goBack(error: Error): Promise<void> {
    const reason = await this.#recovery.goBack(this.#progress.now, error);
    if (reason === undefined) {
      this.#state = { kind: "goingBack", error };
      this.#context.schedule(STORE_RETRY_MS, { kind: "storeRetryDue" });
      return;
    }
    this.#state = { kind: "diverged", reason };
    this.#metrics.diverged();
    this.#context.telemetry.log("error", reason);
  }

  /** Learns from all batches in flight: then weights, rows and sequences belong to one moment. */
  async #settle(): Promise<void> {
    while (!this.#pipeline.isEmpty) await this.#learnOldest();
    await this.#pipeline.drain();
  }

  /** Waits for the shards; later for shards that serve while they load their rows. */
  async #begin(): Promise<void> {
    const serves = await this.#shards.areLoading() && await serveNewest(this.#startParts);
    const applied = this.#shards.open();
    if (!serves) return await this.#resume(await applied);
    this.#state = { kind: "waitingForShards", applied };
    const tell = () => void this.#context.schedule(0, { kind: "shardsOpened" });
    applied.then(tell, tell);
  }

  async #shardsOpened(): Promise<void> {
    if (this.#state.kind !== "waitingForShards") return;
    // A shard that cannot be reached crashes the trainer here.
    const applied = await this.#state.applied;
    this.#state = { kind: "training" };
    await this.#resume(applied);
  }

  /** Goes on from the newest snapshot that all shards have reached. */
  async #resume(applied: AppliedSequences): Promise<void> {
    const { blobs, exampleLog } = this.#dependencies;
    const stores = { blobs, exampleLog, kernel: BatchKernel.create() };
    const refusals = await Refusals.open(stores, this.#context.clock, this.#options);
    this.#recovery = this.#recoveryWith(refusals);
    const parts = { refusals, recovery: this.#recovery };
    const cut = await resumeModel(this.#startParts, applied, parts).catch(async (error) => {
      // This trainer restarts after them.
      if (error instanceof ShardBehindError) await this.#shards.goBack();
      throw error;
    });
    this.#progress.start(cut, applied);
    this.#reader = this.#readFrom(partitionStarts(cut, applied, refusals));
    this.#flights = new Flights(this.#reader, this.#pipeline);
    this.#context.schedule(SHARD_CHECK_MS, { kind: "checkShards" });
    // Last: the log would keep a trainer whose start fails, with all its memory.
    this.#unsubscribe = this.#reader.follow(() => this.#wake());
    this.#wake();
  }

  get #startParts(): StartParts {
    const { blobs, exampleLog } = this.#dependencies;
    const [context, session, options] = [this.#context, this.#session, this.#options];
    return { context, options, blobs, exampleLog, session };
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

  #readFrom(starts?: readonly PartitionStart[]): ExampleReader {
    const parts = {
      log: this.#dependencies.exampleLog,
      telemetry: this.#context.telemetry,
      onSkipped: (rows: number) => this.#metrics.rowsSkipped(rows),
    };
    return new ExampleReader(this.#options, parts, starts);
  }

  /** False where no such offer is open: the trainer was restarted since it made it. */
  async #adopt({ mean, offered }: AdoptMean): Promise<boolean> {
    if (!this.#exchange.isOpen(offered)) return false;
    await this.#settle(); // a step between reading and loading the weights would be lost
    await this.#exchange.adopt(mean);
    return true;
  }

  /** Ends the flight where a cut has waited long enough; a cut is refused in an erasure. */
  async #endFlight(): Promise<void> {
    if (!this.#cuts.areDue) return;
    await this.#settle();
    await this.#cuts.makeWaiting();
    this.#wake();
  }

  #atCut(): TrainerAtCut {
    const isGoingBack = this.#state.kind === "goingBack";
    const lacking = this.#eraser.isUnderWay ? "erasure" : isGoingBack ? "way back" : undefined;
    return { progress: this.#progress.now, recovery: this.#recovery, lacking };
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "examplesAppended" });
  }
}
