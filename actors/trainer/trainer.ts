/**
 * The trainer's behaviour: it answers requests between the batches of its {@link Learning}.
 *
 * At its start it goes on from the newest snapshot that every shard has reached, or from the log's
 * beginning: the dense model learns the rows after it again, and each shard ignores the gradients
 * that it has applied before.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { untilNextMoment } from "../../mesh/runtime/common_moments.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { widthOf } from "../../kernels/embedding/row_classes.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { WeightsMismatchError } from "../../kernels/dense/weights.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { ParameterSyncMessage } from "../parameter_sync/protocol.ts";
import type { LackingPartition } from "./example_reader.ts";
import { LackingPartitions } from "./lacking_partitions.ts";
import { Learning } from "./learning.ts";
import type { LogLosses } from "./log_losses.ts";
import { MarkNews } from "./mark_news.ts";
import type { TrainerOptions } from "./options.ts";
import type {
  AcceptanceMark,
  AdoptMean,
  Cut,
  MarkScope,
  OfferWeights,
  TrainerMessage,
  TrainerStatus,
} from "./protocol.ts";
import { PartitionJoiners } from "./partition_joiners.ts";
import { type AppliedSequences, ShardClient } from "./shard_client.ts";
import { SnapshotCuts } from "./snapshot_cuts.ts";
import { TaskValidation } from "./task_validation.ts";
import { TrainerMetrics } from "./trainer_metrics.ts";
import { serveNewest } from "./trainer_start.ts";
import { WeightExchange } from "./weight_exchange.ts";

export interface TrainerDependencies {
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  /** Outlives the trainer's incarnations. */
  readonly logLosses: LogLosses;
  createSession(): Promise<TrainingSession>;
}

/** Interval at which the shards are asked whether they were restarted, ms. */
const SHARD_CHECK_MS = 1_000;

type TrainerState =
  | { readonly kind: "learning" }
  /** The shards load their rows; the weights of the newest snapshot are served meanwhile. */
  | { readonly kind: "waitingForShards"; readonly applied: Promise<AppliedSequences> };

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
  readonly #learning: Learning;
  readonly #exchange: WeightExchange;
  readonly #validation: TaskValidation;
  readonly #cuts: SnapshotCuts;
  readonly #waits: LackingPartitions;
  readonly #sync: ActorRef<ParameterSyncMessage>;
  /** Undefined before the first mark. */
  #scope: MarkScope | undefined;
  readonly #markNews: MarkNews;
  #state: TrainerState = { kind: "learning" };
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
    const { telemetry } = context;
    const { blobs, exampleLog, logLosses } = dependencies;
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
    const validation = new TaskValidation(tasks, options.validationBins, telemetry, labels);
    const metrics = new TrainerMetrics(telemetry, labels);
    const stores = { blobs, exampleLog };
    const joiners = new PartitionJoiners(context, options);
    const parts = { options, context, ...stores, kernel, shards, session, metrics, validation };
    const learning = new Learning({ ...parts, joiners, logLosses });
    this.#shards = shards;
    this.#validation = validation;
    this.#learning = learning;
    this.#exchange = new WeightExchange(session);
    this.#waits = new LackingPartitions(context, joiners);
    this.#cuts = new SnapshotCuts({ ...parts, pipeline: learning.pipeline }, () => learning.atCut);
    this.#sync = context.actorRef<ParameterSyncMessage>(options.parameterSync);
    this.#markNews = new MarkNews(this.#mark());
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
    await this.#receive(message);
    if (this.#markNews.take(() => this.#mark())) this.#sync.tell({ kind: "trainerLearned" });
  }

  async #receive(message: TrainerMessage): Promise<void> {
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
        this.#checkShardsLater();
        return await this.#shards.check();
      case "reachDue":
        return this.#waits.reach(this.#lacking);
      case "setLeased":
        this.#isLeased = message.isLeased;
        if (this.#isLeased) this.#wake();
        return;
      case "cut":
        if (this.#learning.isBetweenBatches) return await this.#cuts.make(message);
        return this.#cuts.add(message);
      case "cutWaits":
        return await this.#endFlight();
      case "storeRetryDue":
        await this.#learning.retryStore();
        return await this.#turn();
      case "getStatus":
        return this.#context.reply(message, this.#status());
      case "getAcceptanceMark":
        return this.#context.reply(message, this.#markNews.answer(message, this.#mark()));
      case "getProgressiveValidation":
        return this.#context.reply(message, this.#validation.read());
      case "getDenseWeights": {
        const weights = await this.#session.weights();
        const { learnedThroughMs } = this.#learning.learnedAt;
        return this.#context.reply(message, { weights, learnedThroughMs });
      }
      case "offerWeights":
        await this.#learning.settle();
        return this.#context.reply(
          message,
          await this.#exchange.offer(this.#learning.progress.examples),
        );
      case "adoptMean":
        return await this.#adopt(message);
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    this.#learning.end();
    this.#shards.end();
    // Gradients must not reach a shard after its mark was read again, nor a step a closed session.
    await this.#learning.pipeline.drain();
    await this.#session.close();
  }

  #status(): TrainerStatus {
    const { progress: { steps, examples, loss }, learnedAt, rowsRefused, stopped } = this.#learning;
    const { chunksUnread } = this.#learning;
    return {
      steps,
      examples,
      loss,
      ...learnedAt,
      rowsRefused,
      logLosses: this.#dependencies.logLosses.of(this.#options.name),
      chunksUnread,
      ...(stopped?.kind === "diverged" ? { diverged: stopped.reason } : {}),
    };
  }

  #mark(): Required<AcceptanceMark> {
    const { learnedAt: { learnedThroughMs }, progress } = this.#learning;
    return { learnedThroughMs, progress: progress.changes, scope: this.#markScope() };
  }

  #markScope(): MarkScope {
    const { incarnations } = this.#shards;
    if (incarnations !== this.#scope?.incarnations) {
      const { dealing } = this.#options;
      this.#scope = { id: this.#context.random.uuid(), incarnations, dealing };
    }
    return this.#scope;
  }

  /** Learns from at most one batch, and makes the cuts that wait for a moment between batches. */
  async #turn(): Promise<void> {
    if (this.#state.kind === "waitingForShards") return;
    const learning = this.#learning;
    let caughtUp = true;
    if (learning.stopped === undefined) {
      if (!this.#isLeased) return;
      caughtUp = await learning.turn();
    }
    if (learning.stopped !== undefined) return await this.#cuts.makeWaiting();
    if (learning.isBetweenBatches) await this.#cuts.makeWaiting();
    if (learning.awaitsStore) return; // however much has been read
    if (learning.hasWork || !caughtUp) this.#wake();
    else this.#waits.await(this.#lacking);
  }

  /** The partitions without chunks that keep the trainer from its next batch. */
  get #lacking(): readonly LackingPartition[] {
    if (this.#learning.stopped !== undefined || !this.#isLeased) return [];
    return this.#learning.lacking;
  }

  /** Waits for the shards; later for shards that serve while they load their rows. */
  async #begin(): Promise<void> {
    const { blobs, exampleLog } = this.#dependencies;
    const [context, session, options] = [this.#context, this.#session, this.#options];
    const serves = await this.#shards.areLoading() &&
      await serveNewest({ context, options, blobs, exampleLog, session });
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
    this.#state = { kind: "learning" };
    await this.#resume(applied);
  }

  async #resume(applied: AppliedSequences): Promise<void> {
    await this.#learning.resume(applied, () => this.#wake());
    this.#checkShardsLater();
    this.#wake();
  }

  #checkShardsLater(): void {
    const delayMs = untilNextMoment(this.#context.clock, SHARD_CHECK_MS);
    this.#context.schedule(delayMs, { kind: "checkShards" });
  }

  /** Adopts nothing where no such offer is open: the trainer was restarted since it made it. */
  async #adopt(message: AdoptMean): Promise<void> {
    const { mean, offered } = message;
    const adopted = this.#exchange.isOpen(offered);
    try {
      if (adopted) {
        // A step between reading and loading the weights would be lost.
        await this.#learning.settle();
        await this.#exchange.adopt(mean);
      }
      this.#context.reply(message, { adopted });
    } catch (error) {
      if (!(error instanceof WeightsMismatchError)) throw error;
      this.#context.replyError(message, error);
    }
  }

  /** Ends the flight where a cut has waited long enough; a cut is refused in an erasure. */
  async #endFlight(): Promise<void> {
    if (!this.#cuts.areDue) return;
    await this.#learning.settle();
    await this.#cuts.makeWaiting();
    this.#wake();
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "examplesAppended" });
  }
}
