/**
 * The trainer's behaviour: example log → batches → embedding rows → dense step → gradients back to the shards.
 *
 * It trains one batch a turn, so that whoever asks for weights or figures is answered between two batches. When it
 * starts again it reads the log from the newest snapshot that no shard is behind (or from the beginning): the dense
 * model learns those rows anew, and the shards ignore what they have applied before.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Counter, Gauge, Histogram } from "../../mesh/ports/telemetry.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { DivergenceError } from "../../kernels/dense/divergence.ts";
import { type DenseWeights, ontoMean } from "../../kernels/dense/weights.ts";
import type {
  TrainingBatch as SessionBatch,
  TrainingSession,
} from "../../kernels/dense/training_session.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { TrainerPart } from "../snapshotter/protocol.ts";
import { BatchAssembly, type TrainingBatch } from "./batch_assembly.ts";
import type { TrainerOptions } from "./options.ts";
import { logloss, ScoreRecorder, sigmoid } from "./progressive_validation.ts";
import { type AdoptMean, type Cut, decodeExamples, type TrainerMessage } from "./protocol.ts";
import { ShardClient } from "./shard_client.ts";
import { findResumePoint, writeTrainerPart } from "./trainer_snapshot.ts";

export interface TrainerDependencies {
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  createSession(): Promise<TrainingSession>;
}

/** How long a shard's restart may go unnoticed while nothing is learned, ms. */
const SHARD_CHECK_MS = 1_000;

/** A batch whose rows are on their way or here. */
interface PreparedBatch {
  readonly batch: TrainingBatch;
  readonly grouped: ReturnType<BatchKernel["unique"]>;
  readonly rows: Promise<Float32Array<ArrayBuffer>>;
}

export class Trainer implements Behavior<TrainerMessage> {
  readonly #context: ActorContext<TrainerMessage>;
  readonly #options: TrainerOptions;
  readonly #log: EventLog;
  readonly #blobs: BlobStore;
  readonly #session: TrainingSession;
  readonly #kernel = BatchKernel.create();
  readonly #inputs: ModelInputs;
  readonly #shards: ShardClient;
  #assembly: BatchAssembly;
  readonly #trained: ScoreRecorder;
  readonly #served: ScoreRecorder;
  readonly #unsubscribe: () => void;
  readonly #labels: { readonly trainer: string };
  readonly #exampleCount: Counter;
  readonly #lossGauge: Gauge;
  readonly #learnedGauge: Gauge;
  readonly #divergedGauge: Gauge;
  readonly #stepMs: Histogram;
  /** Arrays of a full batch's size, used again for every batch. */
  readonly #buffers: SessionBatch;
  #prepared: PreparedBatch | undefined;
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
    this.#inputs = new ModelInputs(this.#kernel, {
      segments: options.segments,
      sparseInputs: session.model.sparseInputs,
      sequenceInputs: session.model.sequenceInputs,
      combiners: options.combiners,
    });
    const shards = options.shards.map((address) =>
      context.actorRef<EmbeddingShardMessage>(address)
    );
    this.#shards = new ShardClient(shards, {
      source: options.source,
      width: this.#inputs.width,
      budgetMs: options.shardBudgetMs,
      attemptsMax: options.shardAttemptsMax,
    });
    this.#buffers = session.allocateBatch(options.batchRows);
    this.#assembly = new BatchAssembly(options);
    this.#trained = new ScoreRecorder(options.validationBins);
    this.#served = new ScoreRecorder(options.validationBins);
    this.#labels = { trainer: String(options.partition) };
    const labelNames = ["trainer"];
    this.#exampleCount = context.telemetry.counter("cairn_trainer_examples_total", {
      help: "Examples trained on.",
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
      await trainer.#begin();
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
          offset: this.#offset,
          ...(this.#diverged === undefined ? {} : { diverged: this.#diverged }),
        });
      case "getProgressiveValidation":
        return this.#context.reply(message, {
          trained: this.#trained.read(),
          served: this.#served.read(),
        });
      case "getDenseWeights":
        return this.#context.reply(message, {
          weights: await this.#session.weights(),
          learnedThroughMs: this.#learnedThroughMs,
        });
      case "offerWeights": {
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
    await this.#session.close();
  }

  /** Reads what came, and trains on at most one batch; `flush` takes less than a full one. */
  async #turn(flush: boolean): Promise<void> {
    if (this.#diverged !== undefined) return;
    const caughtUp = await this.#read();
    const prepared = this.#prepared ?? this.#prepareNext(flush);
    this.#prepared = undefined;
    if (prepared !== undefined) {
      this.#linger?.cancel();
      this.#linger = undefined;
      await this.#train(prepared);
    } else if (this.#assembly.rows === 0) {
      // Chunks without rows only carry the mark on.
      this.#learnedThroughMs = Math.max(this.#learnedThroughMs, this.#assembly.passedMs);
      this.#offset = Math.max(this.#offset, this.#assembly.nextOffset);
    }
    const { batchRows, lingerMs } = this.#options;
    if (this.#prepared !== undefined || this.#assembly.rows >= batchRows || !caughtUp) this.#wake();
    else if (this.#assembly.rows > 0) {
      this.#linger ??= this.#context.schedule(lingerMs, { kind: "flushBatch" });
    }
  }

  /** Finds where to go on: every row after it is learned by whoever has not learned it yet. */
  async #begin(): Promise<void> {
    const marks = await this.#shards.marks();
    const { source } = this.#options;
    const resume = await findResumePoint(this.#blobs, source, Math.min(...marks));
    if (resume !== undefined) {
      const { part, checkpoint } = resume;
      await this.#session.restore(checkpoint);
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
    await this.#session.load(ontoMean(mean, offer.weights, await this.#session.weights()));
    this.#examplesAveraged = offer.examples;
    return true;
  }

  async #cut(message: Cut): Promise<void> {
    try {
      this.#context.reply(message, { parts: await this.#cutParts(message) });
    } catch (error) {
      this.#context.replyError(message, error as Error);
    }
  }

  /** This trainer's part and those of the trainers after it; none where nothing was learned. */
  async #cutParts(message: Cut): Promise<readonly TrainerPart[]> {
    await this.#applying;
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
        this.#assembly.add(decodeExamples(bytes), offset);
        this.#readOffset = offset + 1;
      }
      if (records.length < chunksPerRead) return true;
    }
    return false;
  }

  /** Takes the next batch and asks for its rows; undefined when it is not full and need not be. */
  #prepareNext(flush: boolean): PreparedBatch | undefined {
    const { batchRows, shards } = this.#options;
    if (this.#assembly.rows < batchRows && !flush) return undefined;
    const batch = this.#assembly.take(batchRows);
    if (batch === undefined) return undefined;
    const grouped = this.#kernel.unique(batch.features.ids, shards.length);
    const rows = this.#shards.lookup(grouped);
    // Awaited in the batch's own turn; until then a failure must not count as unhandled.
    rows.catch(() => {});
    return { batch, grouped, rows };
  }

  async #train({ batch, grouped, rows }: PreparedBatch): Promise<void> {
    const beganMs = this.#context.clock.monotonicMs();
    const { features, labels, logSampleRate } = batch;
    const learned = await rows;
    const sparse = this.#inputs.pool(learned, grouped.inverse, features, this.#buffers.sparse);
    const sequences = this.#inputs.sequences(learned, grouped.inverse, features);
    if (this.#options.pipelined) this.#prepared = this.#prepareNext(false);
    const step = await this.#session.step({
      rows: features.rows,
      sparse,
      sequences,
      dense: features.dense,
      labels,
      logSampleRate,
    }).catch((error) => this.#stopTraining(batch, error));
    if (step === undefined) return;
    this.#validate(batch, step.logits);
    const gradients = this.#inputs.gradients(
      step.gradients,
      grouped.uniqueIds.length,
      grouped.inverse,
      features,
    );
    // One batch after the other: a shard would take a retry that comes after the next batch for a repetition.
    await this.#applying;
    this.#applying = this.#apply({ batch, grouped, rows }, gradients, step.loss, beganMs);
    // While another batch is prepared the shards may apply this one; what fails then fails that batch's turn.
    if (this.#prepared === undefined) await this.#applying;
    else this.#applying.catch(() => {});
  }

  /** Resolves when the shards have applied a batch's gradients: then it is learned. */
  async #apply(
    { batch, grouped }: PreparedBatch,
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

  #validate(
    { features, labels, logSampleRate, servedScores }: TrainingBatch,
    logits: Float32Array,
  ) {
    const { tasks } = this.#options;
    for (let row = 0; row < features.rows; row++) {
      const logit = logits[row * tasks];
      const label = labels[row * tasks];
      this.#trained.record(sigmoid(logit), label, logloss(logit - logSampleRate[row], label));
      const served = servedScores[row];
      const servedLogit = Math.log(served / (1 - served));
      this.#served.record(served, label, logloss(servedLogit - logSampleRate[row], label));
    }
  }

  /** Whoever is called at night needs to know which rows of the log it was. */
  #stopTraining({ features, sequence }: TrainingBatch, error: unknown): undefined {
    if (!(error instanceof DivergenceError)) throw error;
    this.#diverged = `${error.message} These were rows ${sequence - features.rows} to ${
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
