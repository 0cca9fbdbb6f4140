/**
 * The whole loop in one thread under virtual time: every actor of the mesh over logs in memory.
 * Each message is copied as it would be between threads, so that a buffer shared by mistake is
 * found here.
 */
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import { defineJoiner, type JoinerOptions } from "../../actors/joiner/definition.ts";
import type { ErasurePass } from "../../records/erasure.ts";
import { encodeEvent, eventPartition } from "../../records/event_record.ts";
import type { JoinerMessage } from "../../actors/joiner/protocol.ts";
import { defineParameterSync } from "../../actors/parameter_sync/definition.ts";
import type { ParameterSyncMessage } from "../../actors/parameter_sync/protocol.ts";
import { defineRanker, type RankerOptions } from "../../actors/ranker/definition.ts";
import type {
  Rank,
  RankerMessage,
  Ranking,
  Recommend,
  RecommendSimilar,
} from "../../actors/ranker/protocol.ts";
import { defineCatalogue } from "../../actors/catalogue/definition.ts";
import {
  defineFeatureKeeper,
  type FeatureKeeperOptions,
} from "../../actors/feature_keeper/definition.ts";
import { defineRetriever, type RetrieverOptions } from "../../actors/retriever/definition.ts";
import { defineScorer, type ScorerOptions } from "../../actors/scorer/definition.ts";
import { defineServingReplica } from "../../actors/serving_replica/definition.ts";
import { defineSnapshotter } from "../../actors/snapshotter/definition.ts";
import { defineTrainer, type TrainerOptions } from "../../actors/trainer/definition.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import {
  createInferenceSession,
  type InferenceSession,
} from "../../kernels/dense/inference_session.ts";
import { createModel } from "../../kernels/dense/models/create_model.ts";
import {
  createTrainingSession,
  type TrainingSession,
} from "../../kernels/dense/training_session.ts";
import type { ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import { userSlotsOf } from "../../kernels/features/user_slots.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { ActorDefinition, ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { SharedRankings } from "../../mesh/ports/shared_rankings.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";
import { altered } from "./altered.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";

const DIM = 4;
const BUDGET = { budgetMs: 5_000 };
const LAYOUT: RowLayout = {
  classes: [{
    slots: [],
    slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: DIM }],
  }],
  classByColumn: [0, 0, 0],
};

export const SCHEMA: FeatureSchema = {
  slots: [
    { kind: "id", name: "user", number: 1, source: "user", pooling: "sum" },
    { kind: "id", name: "item", number: 2, source: "item", pooling: "sum" },
    {
      kind: "list",
      name: "tags",
      number: 3,
      source: "item",
      attribute: "tags",
      valuesMax: 4,
      pooling: "mean",
    },
  ],
  dense: [],
  denseWidth: 0,
};

export const ATTRIBUTE_TYPES: AttributeTypes = {
  item: { tags: "texts", price: "number", brand: "text" },
  user: { brand: "text" },
  context: {},
};

const TABLES: ClassTablesOptions = {
  seed: 17,
  classes: [{
    slices: [
      {
        name: "first_order",
        dim: 1,
        initializer: { kind: "zeros" },
        optimizer: { kind: "adagrad", learningRate: 0.2, initialAccumulator: 0.01 },
      },
      {
        name: "embeddings",
        dim: DIM,
        initializer: { kind: "uniform", low: -0.3, high: 0.3 },
        optimizer: { kind: "adagrad", learningRate: 0.2, initialAccumulator: 0.01 },
      },
    ],
    slots: [],
  }],
  bytesMax: 64 << 20,
  atLimit: "reject",
};

/** The shards' tables, with expiry of all slots where the options say so. */
function tablesOf({ expirySeconds }: LoopOptions): ClassTablesOptions {
  if (expirySeconds === undefined) return TABLES;
  const slots = SCHEMA.slots.map(({ number }) => {
    return { number, admission: { kind: "threshold", threshold: 0 }, expirySeconds } as const;
  });
  return { ...TABLES, classes: TABLES.classes.map((each) => ({ ...each, slots })) };
}

/** Hooks by which a test wraps actors and sessions. */
export interface Interference {
  shard?(
    definition: ReturnType<typeof defineEmbeddingShard>,
  ): ReturnType<typeof defineEmbeddingShard>;
  trainingSession?(session: TrainingSession): TrainingSession;
  trainer?(definition: ReturnType<typeof defineTrainer>): ReturnType<typeof defineTrainer>;
  inferenceSession?(session: InferenceSession): InferenceSession;
}

/** The logs and blobs that outlive a process. */
export interface LoopStorage {
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  readonly blobs: MemoryBlobStore;
}

export interface LoopOptions {
  readonly seed?: number;
  /** Wall time at the beginning, ms since the Unix epoch. */
  readonly startMs?: number;
  /** Default: empty. */
  readonly storage?: LoopStorage;
  readonly interference?: Interference;
  readonly shards?: number;
  readonly trainers?: number;
  /** Partitions of the example log; default: one for each trainer. */
  readonly partitions?: number;
  readonly exampleBytesMax?: number;
  readonly eventBytesMax?: number;
  /** Default: all rows stay. */
  readonly expirySeconds?: number;
  readonly joiner?: Partial<JoinerOptions>;
  readonly trainer?: Partial<TrainerOptions>;
  readonly scorer?: Partial<ScorerOptions>;
  readonly ranker?: Partial<RankerOptions>;
  readonly sharedRankings?: SharedRankings;
  /** Default: no features are kept. */
  readonly kept?: Partial<FeatureKeeperOptions>;
  /** Default: no retriever and no catalogue. */
  readonly recommend?: Partial<RetrieverOptions>;
}

export class Loop {
  readonly mesh: SimulatedMesh;
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  readonly blobs: MemoryBlobStore;
  readonly profiles: MemoryProfileStore;
  readonly shards: number;
  readonly trainers: readonly Address[];
  readonly #spawns = new Map<Address, () => Promise<unknown>>();
  #events = 0;
  #isKilled = false;

  private constructor(readonly options: LoopOptions) {
    const { seed = 1, startMs, storage } = options;
    this.mesh = new SimulatedMesh({ seed, ...(startMs === undefined ? {} : { startMs }) });
    this.profiles = new MemoryProfileStore(this.mesh.clock);
    this.shards = options.shards ?? 2;
    const { trainers = 1, partitions = trainers } = options;
    const bytesMax = options.exampleBytesMax ?? Infinity;
    this.eventLog = storage?.eventLog ?? new MemoryEventLog({
      name: "events",
      partitions: 1,
      bytesMax: options.eventBytesMax ?? Infinity,
    });
    this.exampleLog = storage?.exampleLog ??
      new MemoryEventLog({ name: "examples", partitions, bytesMax });
    this.blobs = storage?.blobs ?? new MemoryBlobStore();
    this.trainers = Array.from({ length: trainers }, (_, i): Address => `trainer/${i}`);
  }

  static async start(options: LoopOptions = {}): Promise<Loop> {
    const loop = new Loop(options);
    await loop.#spawn();
    await loop.mesh.advance(100); // parameter sync tells the replicas that they are current
    return loop;
  }

  /** The log as this process sees it: a killed one is not told of appends, and makes none. */
  #logOf(log: MemoryEventLog): EventLog {
    return altered<EventLog>(log, {
      onAppended: (partition, listener) =>
        log.onAppended(partition, () => {
          if (!this.#isKilled) listener();
        }),
      append: (partition, records) =>
        this.#isKilled ? new Promise(() => {}) : log.append(partition, records),
    });
  }

  async #spawn(): Promise<void> {
    const { profiles, blobs } = this;
    const [eventLog, exampleLog] = [this.#logOf(this.eventLog), this.#logOf(this.exampleLog)];
    const { interference = {} } = this.options;
    const defined = defineEmbeddingShard({ blobs, moved: new MovedShards() });
    const shardDefinition = interference.shard?.(defined) ?? defined;
    const model = createModel(
      { kind: "deepFm", embeddingDim: DIM, hidden: [8] },
      { slots: SCHEMA.slots.length, denseWidth: SCHEMA.denseWidth, tasks: 1 },
    );
    const shape = { slots: SCHEMA.slots.length, denseWidth: SCHEMA.denseWidth };
    const numbers = Array.from({ length: this.shards }, (_, shard) => shard);
    const shards = numbers.map((shard): Address => `embedding_shard/${shard}`);
    const replicas = numbers.map((shard): Address[] => [`serving_replica/${shard}`]);

    for (const shard of numbers) {
      await this.#start(shardDefinition, shard, {
        shard,
        shards: this.shards,
        tables: tablesOf(this.options),
        slotNames: Object.fromEntries(SCHEMA.slots.map(({ name, number }) => [number, name])),
        evictionIntervalMs: 1_000,
        evictionBucketsMax: 1_024,
        loadWaitMs: 500,
        snapshotChunkRows: 64,
      });
      await this.startReplica(shard);
    }
    const createTraining = async () => {
      const session = await createTrainingSession(model, {
        optimizer: { kind: "adagrad", learningRate: 0.05, initialAccumulator: 0.1 },
        provider: "reference",
        threads: 1,
        seed: 5,
      });
      return interference.trainingSession?.(session) ?? session;
    };
    const trainerDefined = defineTrainer({ exampleLog, blobs, createSession: createTraining });
    const trainerDefinition = interference.trainer?.(trainerDefined) ?? trainerDefined;
    const partitions = Array.from({ length: this.exampleLog.partitions }, (_, i) => i);
    for (const [trainer, name] of this.trainers.entries()) {
      const own = partitions.filter((partition) => partition % this.trainers.length === trainer);
      await this.#start(trainerDefinition, trainer, {
        ...shape,
        trainer,
        name,
        dealing: { number: 0, trainers: this.trainers },
        partitions: own,
        joiners: own.map(() => "joiner/0" as const),
        batchRows: 32,
        pipelined: false,
        chunksPerRead: 64,
        rowsWaitingMax: 4_096,
        shards,
        loadWaitMs: 500,
        shardBudgetMs: 1_000,
        shardAttemptsMax: 3,
        tasks: 1,
        taskNames: ["clicked"],
        combiners: SCHEMA.slots.map(({ pooling }) => pooling),
        layout: LAYOUT,
        userSlots: userSlotsOf(SCHEMA, () => true),
        validationBins: 1_000,
        ...this.options.trainer,
      });
    }
    await this.#start(defineJoiner({ eventLog, exampleLog }), 0, {
      ...shape,
      partition: 0,
      windowMs: 10_000,
      clockSkewMsMax: 1_000,
      impressionsMax: 10_000,
      impressionsBytesMax: 1 << 28,
      actionsPerImpressionMax: 100,
      tasks: [{
        task: "clicked",
        rules: [{ action: "click", label: "positive", final: true }],
      }],
      negativeSampling: { rate: 1, seed: 1, correction: "logOdds" },
      recordsRetained: 0,
      recordsPerTurn: 256,
      batchRows: this.options.trainer?.batchRows ?? 32,
      lingerMs: 20,
      ...this.options.joiner,
    });
    const createInference = async () => {
      const session = await createInferenceSession(model, {
        provider: "reference",
        threads: 1,
        seed: 5,
      });
      return interference.inferenceSession?.(session) ?? session;
    };
    await this.#start(defineScorer({ createSession: createInference }), 0, {
      sharding: 0,
      replicas,
      parameterSync: "parameter_sync/0",
      lookupBudgetMs: 1_000,
      batchRowsMax: 1_024,
      requestsWaitingMax: 256,
      explanationsWaitingMax: 16,
      schema: SCHEMA,
      scoreWeights: [1],
      layout: LAYOUT,
      ...this.options.scorer,
    });
    const { kept, recommend } = this.options;
    if (kept !== undefined) {
      await this.#start(defineFeatureKeeper({ eventLog, blobs }), 0, {
        features: [],
        shard: 0,
        shards: 1,
        bytesMax: 2 ** 24,
        valuesMax: 10,
        rankingsMax: 1_000,
        checkpointMs: 1_000,
        ...kept,
      });
    }
    if (recommend !== undefined) {
      await this.#start(defineRetriever(), 0, {
        scorer: "scorer/0",
        schema: SCHEMA,
        dim: DIM,
        itemsMax: 1_000,
        attributeTypes: ATTRIBUTE_TYPES,
        recentBy: "price",
        refreshShare: 0.5,
        ...recommend,
      });
      await this.#start(defineCatalogue({ profiles }), 0, { retriever: "retriever/0" });
    }
    const { sharedRankings } = this.options;
    const stores = { eventLog, profiles, ...(sharedRankings && { sharedRankings }) };
    await this.#start(defineRanker(stores), 0, {
      scorer: "scorer/0",
      schema: SCHEMA,
      taskNames: ["clicked"],
      itemCacheBytesMax: 2 ** 16,
      explainedItemsMax: 20,
      explainingMax: 16,
      keepers: kept === undefined ? [] : ["feature_keeper/0" as const],
      keptSlots: [],
      keptBudgetMs: 50,
      topBy: {},
      removedItemsMax: 20,
      attributeTypes: ATTRIBUTE_TYPES,
      ...(recommend !== undefined && { retriever: "retriever/0" as const }),
      ...this.options.ranker,
    });
    await this.#start(defineParameterSync(), 0, {
      sharding: 0,
      shards,
      replicas,
      trainers: this.trainers,
      scorers: ["scorer/0"],
      rowsIntervalMs: 50,
      denseIntervalMs: 200,
      averageIntervalMs: 200,
      deltaRowsMax: 4_096,
      deltasPerRoundMax: 8,
      budgetMs: 1_000,
    });
  }

  /** Starts an actor, and keeps its definition for {@link restart}. */
  async #start<M extends Message, O>(
    definition: ActorDefinition<M, O>,
    key: number,
    options: O,
  ): Promise<void> {
    const spawn = () => this.mesh.settle(this.mesh.node().spawn(definition, key, options));
    this.#spawns.set(`${definition.kind}/${key}`, spawn);
    await spawn();
  }

  /** Stops an actor and starts it again, without its memory; `meanwhile` runs between. */
  async restart(address: Address, meanwhile?: () => Promise<unknown>): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor(address, 0));
    if (meanwhile !== undefined) await this.mesh.settle(meanwhile());
    await this.#spawns.get(address)!();
  }

  /**
   * Kills the process and starts it again: a new mesh over the same logs and blobs. Messages and
   * unfinished writes of this one are lost.
   *
   * @param changed Options that the next one has otherwise.
   */
  kill(seed: number, changed: LoopOptions = {}): Promise<Loop> {
    this.#isKilled = true;
    const { eventLog, exampleLog, blobs } = this;
    const storage = { eventLog, exampleLog, blobs };
    return Loop.start({
      ...this.options,
      ...changed,
      seed,
      startMs: this.mesh.clock.nowMs(),
      storage,
    });
  }

  /**
   * A run that was never killed, on a copy of this one's example log: it learns all examples from
   * the beginning. No snapshot has trimmed the log, since each one is kept.
   */
  async learnAgain(shards = this.shards): Promise<Loop> {
    const { eventLog, options } = this;
    const { partitions } = this.exampleLog;
    const exampleLog = new MemoryEventLog({ name: "examples", partitions });
    for (let partition = 0; partition < partitions; partition++) {
      const records = await this.exampleLog.read(partition, 0, 1e6);
      if (records.length > 0) await exampleLog.append(partition, records.map(({ bytes }) => bytes));
    }
    const storage = { eventLog, exampleLog, blobs: new MemoryBlobStore() };
    return await Loop.start({ ...options, shards, storage });
  }

  /** Takes a snapshot, with a snapshotter of its own. Older snapshots stay. */
  async snapshot(): Promise<void> {
    const { blobs, exampleLog, trainers } = this;
    const shards = Array.from(
      { length: this.shards },
      (_, shard): Address => `embedding_shard/${shard}`,
    );
    const node = this.mesh.node();
    const snapshotter = await this.mesh.settle(
      node.spawn(defineSnapshotter({ blobs, exampleLog }), 0, {
        trainers,
        dealing: 0,
        shards,
        intervalMs: 3_600_000,
        spreadMs: 0,
        snapshotsRetained: 1_000,
        incrementsMax: 3,
        incrementsShare: 1,
        budgetMs: 5_000,
      }),
    );
    await this.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, { budgetMs: 10_000 }));
    await this.mesh.settle(node.stopActor("snapshotter/0", 0));
  }

  async startReplica(shard: number): Promise<void> {
    await this.#start(defineServingReplica(), shard, {
      shard,
      parameterSync: "parameter_sync/0",
      widths: [1 + DIM],
      precision: "fp32",
      bytesMax: 64 << 20,
    });
  }

  async stopReplica(shard: number): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor(`serving_replica/${shard}`, 0));
  }

  #ref<M extends Message>(address: Address): ActorRef<M> {
    return this.mesh.node().actorRef<M>(address);
  }

  joinerStatus() {
    const joiner = this.#ref<JoinerMessage>("joiner/0");
    return this.mesh.settle(joiner.ask({ kind: "getStatus" }, BUDGET));
  }

  /** The status of a trainer, with the offset of its first partition. */
  async trainerStatus(trainer = 0) {
    const ref = this.#ref<TrainerMessage>(this.trainers[trainer]);
    const status = await this.mesh.settle(ref.ask({ kind: "getStatus" }, BUDGET));
    return { ...status, offset: status.offsets[0].offset };
  }

  /** A trainer's own dense weights. */
  async denseWeights(index = 0) {
    const trainer = this.#ref<TrainerMessage>(this.trainers[index]);
    return (await this.mesh.settle(trainer.ask({ kind: "getDenseWeights" }, BUDGET))).weights;
  }

  /** All chunks of a partition of the example log. */
  async examples(partition = 0): Promise<ExampleChunk[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes));
  }

  progressiveValidation() {
    const trainer = this.#ref<TrainerMessage>("trainer/0");
    return this.mesh.settle(trainer.ask({ kind: "getProgressiveValidation" }, BUDGET));
  }

  rankerStatus() {
    const ranker = this.#ref<RankerMessage>("ranker/0");
    return this.mesh.settle(ranker.ask({ kind: "getStatus" }, BUDGET));
  }

  syncStatus() {
    const sync = this.#ref<ParameterSyncMessage>("parameter_sync/0");
    return this.mesh.settle(sync.ask({ kind: "getStatus" }, BUDGET));
  }

  /** Sends a request; virtual time has to pass until it is answered. */
  requestRanking(
    user: string,
    candidates: readonly string[],
    more: Partial<Omit<Rank, "kind">> = {},
  ): Promise<Ranking> {
    const request: Rank = {
      kind: "rank",
      user,
      context: {},
      atMs: this.mesh.clock.nowMs(),
      candidates: candidates.map((id) => ({ id })),
      limit: candidates.length,
      explain: false,
      ...more,
    };
    return this.#ref<RankerMessage>("ranker/0").ask(request, BUDGET);
  }

  /** Recommends stored items. */
  recommend(
    request: Partial<Recommend> & { readonly user: string },
  ): Promise<Ranking> {
    const whole: Recommend = {
      kind: "recommend",
      context: {},
      atMs: this.mesh.clock.nowMs(),
      limit: 10,
      explain: false,
      sources: ["model"],
      candidates: 100,
      ...request,
    };
    return this.mesh.settle(this.#ref<RankerMessage>("ranker/0").ask(whole, BUDGET));
  }

  /** Items similar to an item. */
  similar(item: string, request: Partial<RecommendSimilar> = {}): Promise<Ranking> {
    const whole: RecommendSimilar = {
      kind: "recommendSimilar",
      item,
      user: "",
      context: {},
      atMs: this.mesh.clock.nowMs(),
      limit: 10,
      explain: false,
      candidates: 100,
      orderBy: "similarity",
      ...request,
    };
    return this.mesh.settle(this.#ref<RankerMessage>("ranker/0").ask(whole, BUDGET));
  }

  rank(...request: Parameters<Loop["requestRanking"]>): Promise<Ranking> {
    return this.mesh.settle(this.requestRanking(...request));
  }

  /** Appends an action as the gateway does; resolves with its acceptance time. */
  async act(rankingId: string, item: string, action: string, value?: number): Promise<number> {
    const acceptedAtMs = this.mesh.clock.nowMs() + this.#events * 1e-3;
    await this.eventLog.append(eventPartition(rankingId, 1), [encodeEvent({
      kind: "action",
      eventId: `event-${this.#events++}`,
      rankingId,
      item,
      action,
      ...(value === undefined ? {} : { value }),
      atMs: this.mesh.clock.nowMs(),
      acceptedAtMs,
    })]);
    return acceptedAtMs;
  }

  /** Appends the erasure of a user, as the gateway does. */
  async erase(user: string, erasureId: string, pass: ErasurePass = 1): Promise<void> {
    const nowMs = this.mesh.clock.nowMs();
    const acceptedAtMs = nowMs + this.#events++ * 1e-3;
    await this.eventLog.append(0, [
      encodeEvent({ kind: "forget", erasureId, pass, user, atMs: nowMs, acceptedAtMs }),
    ]);
  }

  async stop(): Promise<void> {
    await this.mesh.stop();
  }
}
