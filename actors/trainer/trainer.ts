/**
 * The trainer's behaviour: example log → batches → embedding rows → dense step → gradients back to the shards.
 *
 * It learns from one batch a turn, so that whoever asks for weights or figures is answered between two batches. The next
 * one may be under way: its rows looked up and pooled while this one is in the dense step, and its step begun before
 * this one's gradients are at the shards. What is sent to a shard, and in which order, does not depend on how fast
 * anybody is. When it starts again it reads the log from the newest snapshot that no shard is behind (or from the
 * beginning): the dense model learns those rows anew, and the shards ignore what they have applied before.
 *
 * Past 400 lines, because all of it turns on one state: what is read, under way, at the shards, and cut off by a snapshot.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Counter, Gauge, Histogram } from "../../mesh/ports/telemetry.ts";
import { BatchKernel, type UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { widthOf } from "../../kernels/embedding/row_classes.ts";
import { type DenseWeights, ontoMean } from "../../kernels/dense/weights.ts";
import {
  batchRows,
  type TrainingBatch as SessionBatch,
} from "../../kernels/dense/training_batch.ts";
import type { TrainingSession, TrainingStep } from "../../kernels/dense/training_session.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";
import { BatchAssembly, type TrainingBatch } from "./batch_assembly.ts";
import type { TrainerOptions } from "./options.ts";
import { TaskValidation } from "./task_validation.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import type { AdoptMean, Cut, TrainerMessage } from "./protocol.ts";
import { ShardClient } from "./shard_client.ts";
import { findResumePoint, restoreModel, writeTrainerPart } from "./trainer_snapshot.ts";

export interface TrainerDependencies {
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  createSession(): Promise<TrainingSession>;
}

/** How long a shard's restart may go unnoticed while nothing is learned, ms. */
const SHARD_CHECK_MS = 1_000;

/**
 * Of rows that wait for gradients: small batches have more in flight, so that the way to the shards and back is no
 * longer than their steps.
 */
const ROWS_IN_FLIGHT = 1_024;
const IN_FLIGHT_MAX = 4;

/**
 * With two batches in flight, rows lack the gradients of one. Three batches of 4,096 made no step faster, and DeepFM's
 * loss exploded.
 */
function inFlightMax({ pipelined, batchRows }: TrainerOptions): number {
  if (!pipelined) return 1;
  return Math.max(2, Math.min(IN_FLIGHT_MAX, 1 + Math.floor(ROWS_IN_FLIGHT / batchRows)));
}

/** What a batch in flight needs, used again and again. */
interface Place {
  /** Pools the batch, and returns the gradients of what was pooled, which stay in its memory until it pools again. */
  readonly inputs: ModelInputs;
  /** Arrays of a full batch's size. */
  readonly buffers: SessionBatch;
  /** Resolves when the gradients that lie in `inputs` are applied. */
  applied: Promise<void>;
}

/** A batch on its way to the model. */
interface BatchInFlight {
  readonly batch: TrainingBatch;
  readonly grouped: UniqueIds;
  readonly place: Place;
  readonly beganMs: number;
  /** Its rows come, are pooled and go through the dense step, after those of the batch before. */
  readonly step: Promise<TrainingStep>;
}

export class Trainer implements Behavior<TrainerMessage> {
  readonly #context: ActorContext<TrainerMessage>;
  readonly #options: TrainerOptions;
  readonly #log: EventLog;
  readonly #blobs: BlobStore;
  readonly #session: TrainingSession;
  readonly #kernel: BatchKernel;
  readonly #shards: ShardClient;
  #assembly: BatchAssembly;
  readonly #validation: TaskValidation;
  readonly #unsubscribe: () => void;
  readonly #labels: { readonly trainer: string };
  readonly #exampleCount: Counter;
  readonly #skippedCount: Counter;
  readonly #lossGauge: Gauge;
  readonly #learnedGauge: Gauge;
  readonly #divergedGauge: Gauge;
  readonly #stepMs: Histogram;
  /** Those that no batch in flight has. */
  readonly #places: Place[];
  /** The oldest first. */
  readonly #inFlight: BatchInFlight[] = [];
  /** Resolves when the newest batch in flight has been given to the session. */
  #submitted: Promise<unknown> = Promise.resolve();
  /** Why a batch cannot be learned: then none behind it may begin its step. */
  #failed: Error | undefined;
  /** The last batch's gradients on their way to the shards; at most one batch's at a time. */
  #applying: Promise<void> = Promise.resolve();
  #linger: { cancel(): void } | undefined;
  #woken = false;
  #readOffset = 0;
  #offset = 0;
  /** Rows of the partition that are learned. */
  #sequence = 0;
  #steps = 0;
  #examples = 0;
  #loss = 0;
  /** What goes into the next mean of all trainers' weights, and the examples until then. */
  #offered: { readonly weights: DenseWeights; readonly examples: number } | undefined;
  /** Examples that are in the last mean. */
  #examplesAveraged = 0;
  #learnedThroughMs = 0;
  #diverged: string | undefined;
  /** Chunks of another schema that were read one after the other, the first at `offset`; undefined after they were told. */
  #skipped: { chunks: number; rows: number; readonly offset: number } | undefined;

  private constructor(
    context: ActorContext<TrainerMessage>,
    options: TrainerOptions,
    dependencies: TrainerDependencies,
    session: TrainingSession,
  ) {
    this.#context = context;
    this.#options = options;
    this.#log = dependencies.exampleLog;
    this.#blobs = dependencies.blobs;
    this.#session = session;
    const { layout, combiners } = options;
    this.#kernel = BatchKernel.create(layout.classes);
    const shards = options.shards.map((address) =>
      context.actorRef<EmbeddingShardMessage>(address)
    );
    this.#shards = new ShardClient(shards, {
      source: options.source,
      widths: layout.classes.map(widthOf),
      budgetMs: options.shardBudgetMs,
      attemptsMax: options.shardAttemptsMax,
    });
    const { sparseInputs, historyInputs } = session.model;
    this.#places = Array.from({ length: inFlightMax(options) }, () => ({
      inputs: new ModelInputs({ layout, sparseInputs, historyInputs, combiners, learns: true }),
      buffers: session.allocateBatch(options.batchRows),
      applied: Promise.resolve(),
    }));
    this.#assembly = new BatchAssembly(options);
    this.#labels = { trainer: String(options.partition) };
    const tasks = session.model.tasks.map(({ loss }, i) => ({ name: options.taskNames[i], loss }));
    const { telemetry } = context;
    this.#validation = new TaskValidation(tasks, options.validationBins, telemetry, this.#labels);
    const labelNames = ["trainer"];
    this.#exampleCount = context.telemetry.counter("cairn_trainer_examples_total", {
      help: "Examples trained on.",
      labelNames,
    });
    this.#skippedCount = context.telemetry.counter("cairn_trainer_examples_skipped_total", {
      help: "Examples of another schema that were not learned from.",
      labelNames,
    });
    this.#lossGauge = context.telemetry.gauge("cairn_trainer_loss", {
      help: "Mean loss of the last batch, before it was learned from.",
      labelNames,
    });
    this.#learnedGauge = context.telemetry.gauge("cairn_trainer_rows_learned", {
      help: "Rows of the trainer's partition that are learned, those before a restart included.",
      labelNames,
    });
    this.#divergedGauge = context.telemetry.gauge("cairn_trainer_diverged", {
      help: "1 when training has stopped because the loss was not finite or exploded.",
      labelNames,
    });
    this.#divergedGauge.set(0, this.#labels);
    this.#stepMs = context.telemetry.histogram("cairn_trainer_step_ms", {
      help: "One batch, from lookups to applied gradients.",
      labelNames,
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    });
    this.#unsubscribe = this.#log.onAppended(options.partition, () => this.#wake());
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
        return await this.#turn(false);
      case "flushBatch":
        this.#linger = undefined;
        return await this.#turn(true);
      case "checkShards":
        this.#context.schedule(SHARD_CHECK_MS, message);
        return await this.#shards.check();
      case "cut":
        return await this.#cut(message);
      case "getStatus":
        return this.#context.reply(message, {
          steps: this.#steps,
          examples: this.#examples,
          loss: this.#loss,
          learnedThroughMs: this.#learnedThroughMs,
          incarnations: this.#shards.incarnations,
          offset: this.#offset,
          ...(this.#diverged === undefined ? {} : { diverged: this.#diverged }),
        });
      case "getProgressiveValidation":
        return this.#context.reply(message, this.#validation.read());
      case "getDenseWeights":
        return this.#context.reply(message, {
          weights: await this.#session.weights(),
          learnedThroughMs: this.#learnedThroughMs,
        });
      case "offerWeights": {
        await this.#settle();
        const weights = await this.#session.weights();
        this.#offered = { weights, examples: this.#examples };
        const examples = this.#examples - this.#examplesAveraged;
        return this.#context.reply(message, { weights, examples });
      }
      case "adoptMean":
        return this.#context.reply(message, { adopted: await this.#adopt(message) });
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    // What is on its way must not reach a shard after its mark was read again, nor a session that is closed.
    const steps = this.#inFlight.map(({ step }) => step);
    await Promise.allSettled([this.#applying, this.#submitted, ...steps]);
    await this.#session.close();
  }

  /** Reads what came, sends batches on their way, and learns from at most one; `flush` takes less than a full one. */
  async #turn(flush: boolean): Promise<void> {
    if (this.#diverged !== undefined) return;
    const { batchRows, lingerMs } = this.#options;
    let caughtUp = await this.#read();
    while (this.#places.length > 0 && this.#begin(flush)) {
      caughtUp = await this.#read();
    }
    if (this.#inFlight.length > 0) {
      await this.#learn();
    } else if (this.#assembly.rows === 0) {
      // Chunks without rows only carry the mark on.
      this.#learnedThroughMs = Math.max(this.#learnedThroughMs, this.#assembly.passedMs);
      this.#offset = Math.max(this.#offset, this.#assembly.nextOffset);
    }
    const { rows } = this.#assembly;
    if (this.#inFlight.length > 0 || rows >= batchRows || !caughtUp) this.#wake();
    if (rows > 0 && rows < batchRows) {
      this.#linger ??= this.#context.schedule(lingerMs, { kind: "flushBatch" });
    }
  }

  /** Finds where to go on: every row after it is learned by whoever has not learned it yet. */
  async #resume(): Promise<void> {
    const marks = await this.#shards.marks();
    const { source } = this.#options;
    const resume = await findResumePoint(this.#blobs, source, Math.min(...marks));
    if (resume !== undefined) {
      const { part, checkpoint } = resume;
      const differences = await restoreModel(this.#session, checkpoint);
      if (differences.length > 0) {
        this.#context.telemetry.log(
          "warn",
          `${source} begins with another dense model than its snapshot's: what is new in it has initial weights, ` +
            "and the optimizer begins anew",
          { differences },
        );
      }
      this.#assembly = new BatchAssembly(this.#options, part.sequence);
      this.#sequence = part.sequence;
      this.#readOffset = this.#offset = part.offset;
      this.#learnedThroughMs = part.learnedThroughMs;
    }
    for (const mark of marks) if (mark > this.#sequence) this.#assembly.endBatchAt(mark);
    this.#learnedGauge.set(this.#sequence, this.#labels);
    this.#context.schedule(SHARD_CHECK_MS, { kind: "checkShards" });
    this.#wake();
  }

  /** False when the offer was not made in this life. */
  async #adopt({ mean, offered }: AdoptMean): Promise<boolean> {
    const offer = this.#offered;
    if (offer?.weights.version !== offered) return false;
    this.#offered = undefined;
    await this.#settle(); // a step between reading and loading would be undone
    await this.#session.load(ontoMean(mean, offer.weights, await this.#session.weights()));
    this.#examplesAveraged = offer.examples;
    return true;
  }

  async #cut(message: Cut): Promise<void> {
    await this.#settle(); // outside: a batch that cannot be learned is no mere failure of the snapshot
    try {
      this.#context.reply(message, { parts: await this.#cutParts(message) });
    } catch (error) {
      this.#context.replyError(message, error as Error);
    }
  }

  /** This trainer's part and those of the trainers after it; none where nothing was learned. */
  async #cutParts(message: Cut): Promise<readonly TrainerPart[]> {
    if (this.#diverged !== undefined) return [];
    const { snapshot, unlessAt } = message;
    const { source, partition, shardBudgetMs } = this.#options;
    const standing = [...message.standing, this.#shards.standing(this.#sequence)];
    const [next, ...others] = message.others;
    let parts: readonly TrainerPart[] = [];
    if (next !== undefined) {
      // Nobody stands still for long because another one is away.
      const budgetMs = Math.min(shardBudgetMs, this.#context.remainingMs(message));
      const trainer = this.#context.actorRef<TrainerMessage>(next);
      ({ parts } = await trainer.ask({ ...message, standing, others }, { budgetMs }));
      if (parts.length === 0) return [];
    } else {
      if (standing.every((mark) => mark.sequence === unlessAt?.[mark.source])) return [];
      await this.#shards.beginSnapshot(snapshot, standing);
    }
    const part = await writeTrainerPart(this.#blobs, snapshot, this.#kernel, {
      source,
      partition,
      sequence: this.#sequence,
      offset: this.#offset,
      learnedThroughMs: this.#learnedThroughMs,
    }, await this.#session.checkpoint());
    return [part, ...parts];
  }

  /** Reads on unless enough rows wait; true when the end of the log was reached. */
  async #read(): Promise<boolean> {
    const { partition, chunksPerRead, batchRows, rowsWaitingMax } = this.#options;
    while (this.#assembly.rows < Math.min(2 * batchRows, rowsWaitingMax)) {
      const records = await this.#log.read(partition, this.#readOffset, chunksPerRead);
      for (const { offset, bytes } of records) {
        const chunk = decodeExamples(bytes);
        if (!this.#assembly.add(chunk, offset)) this.#skip(chunk, offset);
        else if (chunk.rows > 0) this.#tellSkipped();
        this.#readOffset = offset + 1;
      }
      if (records.length < chunksPerRead) {
        this.#tellSkipped();
        return true;
      }
    }
    return false;
  }

  /** The log begins with examples of another schema, and the model can learn nothing from them. */
  #skip({ firstRow, rows }: ExampleChunk, offset: number): void {
    this.#sequence = Math.max(this.#sequence, firstRow + rows);
    this.#offset = offset + 1;
    this.#learnedGauge.set(this.#sequence, this.#labels);
    this.#skippedCount.add(rows, this.#labels);
    this.#skipped ??= { chunks: 0, rows: 0, offset };
    this.#skipped.chunks++;
    this.#skipped.rows += rows;
  }

  /** A long log of another schema is one line, at its end. */
  #tellSkipped(): void {
    if (this.#skipped === undefined) return;
    const message = `${this.#options.source} skipped examples of another schema`;
    this.#context.telemetry.log("warn", message, this.#skipped);
    this.#skipped = undefined;
  }

  /** Sends the next batch on its way; false when it is not full and need not be. */
  #begin(flush: boolean): boolean {
    const { batchRows, shards } = this.#options;
    if (this.#assembly.rows < batchRows && !flush) return false;
    const batch = this.#assembly.take(batchRows);
    if (batch === undefined) return false;
    this.#linger?.cancel();
    this.#linger = undefined;
    const beganMs = this.#context.clock.monotonicMs();
    const grouped = this.#kernel.unique(batch.features.ids, shards.length);
    const rows = this.#shards.lookup(grouped);
    const place = this.#places.pop()!;
    const submitted = this.#submitted.then(async () => {
      const found = await rows;
      // No wait unless a shard was asked twice: each applies a batch's gradients before it gives the rows of the next.
      await place.applied;
      const filled = this.#fill(place, batch, grouped, found);
      this.#shards.giveBack(found);
      if (this.#failed !== undefined) throw this.#failed;
      return { step: this.#session.step(filled) };
    });
    const step = submitted.then(({ step }) => step);
    // Awaited in the batch's own turn; until then a failure must not count as unhandled.
    for (const promise of [rows, submitted, step]) {
      promise.catch((error) => this.#failed ??= error);
    }
    this.#submitted = submitted;
    this.#inFlight.push({ batch, grouped, place, beganMs, step });
    return true;
  }

  /** A batch's embedding rows, pooled, and its other inputs, in arrays that the session takes. */
  #fill(
    { inputs, buffers }: Place,
    { features, labels, logSampleRate }: TrainingBatch,
    grouped: UniqueIds,
    rows: readonly Float32Array[],
  ): SessionBatch {
    const filled = batchRows(buffers, 0, features.rows);
    filled.dense.set(features.dense);
    filled.labels.set(labels);
    filled.logSampleRate.set(logSampleRate);
    if (this.#session.provider === "cuda") {
      // What travels to the card does so from page-locked memory.
      inputs.pool(rows, grouped, features, filled);
      return filled;
    }
    // Elsewhere it is read, and the gradients are written, where the kernel pools: that lasts as long as the place is taken.
    const { gradients, ...pooled } = inputs.poolToLearn(rows, grouped, features);
    return { ...filled, ...pooled, results: { ...filled.results!, gradients } };
  }

  /** Learns from the oldest batch in flight: waits for its step, and sends its gradients. */
  async #learn(): Promise<void> {
    const { batch, grouped, place, beganMs, step } = this.#inFlight.shift()!;
    const stepped = await step.catch((error) => this.#stopTraining(batch, error));
    if (stepped === undefined) {
      this.#inFlight.length = 0;
      return;
    }
    this.#validation.record({ ...batch, rows: batch.features.rows }, stepped.logits);
    const gradients = place.inputs.gradients(stepped.gradients);
    // One batch after the other: a shard would take a retry that comes after the next batch for a repetition.
    await this.#applying;
    this.#applying = this.#apply(batch, grouped, gradients, stepped.loss, beganMs);
    place.applied = this.#applying;
    this.#places.push(place);
    // While other batches are in flight the shards may apply this one; what fails then fails the next batch's turn.
    if (this.#inFlight.length === 0) await this.#applying;
    else this.#applying.catch(() => {});
  }

  /** Learns from all that is in flight: then weights, rows and marks belong together. */
  async #settle(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#learn();
    await this.#applying;
  }

  /** Resolves when the shards have applied a batch's gradients: then it is learned. */
  async #apply(
    batch: TrainingBatch,
    grouped: UniqueIds,
    gradients: Float32Array<ArrayBuffer>,
    loss: number,
    beganMs: number,
  ): Promise<void> {
    const { rows } = batch.features;
    await this.#shards.applyGradients(grouped, gradients, batch.sequence, batch.atMs);
    this.#steps++;
    this.#examples += rows;
    this.#loss = loss;
    this.#offset = batch.nextOffset;
    this.#sequence = batch.sequence;
    this.#learnedThroughMs = batch.learnedThroughMs;
    this.#exampleCount.add(rows, this.#labels);
    this.#lossGauge.set(loss, this.#labels);
    this.#learnedGauge.set(this.#sequence, this.#labels);
    this.#stepMs.record(this.#context.clock.monotonicMs() - beganMs, this.#labels);
  }

  /** Whoever is called at night needs to know which rows of the log it was. */
  #stopTraining({ features, sequence }: TrainingBatch, error: unknown): undefined {
    // By name: the step may have run in another thread.
    if ((error as Error).name !== "DivergenceError") throw error;
    this.#diverged = `${(error as Error).message} These were rows ${sequence - features.rows} to ${
      sequence - 1
    } of partition ${this.#options.partition} of the example log; training has stopped, serving goes on.`;
    this.#divergedGauge.set(1, this.#labels);
    this.#context.telemetry.log("error", this.#diverged);
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "examplesAppended" });
  }
}
