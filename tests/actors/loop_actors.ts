/**
 * The actors of a loop, with the options that tests do not set.
 */
import { defineCatalogue } from "../../actors/catalogue/definition.ts";
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import { defineFeatureKeeper } from "../../actors/feature_keeper/definition.ts";
import { keptByItem } from "../../actors/feature_keeper/options.ts";
import { defineJoiner } from "../../actors/joiner/definition.ts";
import { defineParameterSync } from "../../actors/parameter_sync/definition.ts";
import { defineRanker } from "../../actors/ranker/definition.ts";
import { defineRetriever } from "../../actors/retriever/definition.ts";
import { defineRowFeed } from "../../actors/row_feed/definition.ts";
import { defineScorer } from "../../actors/scorer/definition.ts";
import { defineServingReplica } from "../../actors/serving_replica/definition.ts";
import { defineTrainer } from "../../actors/trainer/definition.ts";
import { createInferenceSession } from "../../kernels/dense/inference_session.ts";
import { createTrainingSession } from "../../kernels/dense/training_session.ts";
import { userSlotsOf } from "../../kernels/features/user_slots.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { ActorDefinition, Address, Message } from "../../mesh/runtime/actor.ts";
import { numbersBelow } from "../../structures/numbers_below.ts";
import { exampleColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import { ATTRIBUTE_TYPES, COLUMNS, DIM, LAYOUT, MODEL, SCHEMA, tablesOf } from "./loop_model.ts";
import type { LoopOptions } from "./loop_options.ts";

/** Starts an actor and waits until it runs. */
export type StartActor = <M extends Message, O>(
  definition: ActorDefinition<M, O>,
  key: number,
  options: O,
) => Promise<void>;

/** All that the actors of a loop are made of. */
export interface LoopParts {
  readonly options: LoopOptions;
  readonly shards: number;
  readonly trainers: readonly Address[];
  /** The logs as this process sees them. */
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  readonly profiles: ProfileStore;
  readonly start: StartActor;
}

/** Starts all actors, readers after the actors that they read. */
export async function startActors(parts: LoopParts): Promise<void> {
  await startShards(parts);
  await startTrainers(parts);
  await startJoiner(parts);
  await startScorer(parts);
  await startKeepers(parts);
  await startRetriever(parts);
  await startRanker(parts);
  await startRowFeed(parts);
  await startParameterSync(parts);
}

/** Starts the serving replica of a shard. */
export async function startReplica(start: StartActor, shard: number): Promise<void> {
  await start(defineServingReplica(), shard, {
    shard,
    rowFeed: "row_feed/0",
    widths: [1 + DIM],
    precision: "fp32",
    bytesMax: 64 << 20,
  });
}

const shardsOf = ({ shards }: LoopParts) =>
  numbersBelow(shards).map((shard): Address => `embedding_shard/${shard}`);
const replicasOf = ({ shards }: LoopParts) =>
  numbersBelow(shards).map((shard): Address[] => [`serving_replica/${shard}`]);
const keeperNumbersOf = ({ kept }: LoopOptions) => numbersBelow(kept ? kept.shards ?? 1 : 0);

async function startShards({ options, shards, blobs, start }: LoopParts): Promise<void> {
  const defined = defineEmbeddingShard({ blobs, moved: new MovedShards() });
  const definition = options.interference?.shard?.(defined) ?? defined;
  for (const shard of numbersBelow(shards)) {
    await start(definition, shard, {
      shard,
      shards,
      tables: tablesOf(options.expirySeconds),
      slotNames: Object.fromEntries(SCHEMA.slots.map(({ name, number }) => [number, name])),
      evictionIntervalMs: 1_000,
      evictionBucketsMax: 1_024,
      awaitedBytesMax: options.awaitedBytesMax ?? Infinity,
      snapshotChunkRows: 64,
    });
    await startReplica(start, shard);
  }
}

async function startTrainers(parts: LoopParts): Promise<void> {
  const { options, trainers, exampleLog, blobs, start } = parts;
  const createTraining = async () => {
    const session = await createTrainingSession(MODEL, {
      optimizer: { kind: "adagrad", learningRate: 0.05, initialAccumulator: 0.1 },
      provider: "reference",
      threads: 1,
      seed: 5,
    });
    return options.interference?.trainingSession?.(session) ?? session;
  };
  const defined = defineTrainer({ exampleLog, blobs, createSession: createTraining });
  const definition = options.interference?.trainer?.(defined) ?? defined;
  const partitions = numbersBelow(exampleLog.partitions);
  for (const [trainer, name] of trainers.entries()) {
    const own = partitions.filter((partition) => partition % trainers.length === trainer);
    await start(definition, trainer, {
      ...exampleColumnsOf(COLUMNS, ["clicked"]),
      trainer,
      name,
      dealing: 0,
      partitions: own,
      parameterSync: "parameter_sync/0",
      joiners: own.map(() => "joiner/0" as const),
      batchRows: 32,
      pipelined: false,
      chunksPerRead: 64,
      rowsWaitingMax: 4_096,
      shards: shardsOf(parts),
      shardBudgetMs: 1_000,
      shardAttemptsMax: 3,
      taskNames: ["clicked"],
      combiners: SCHEMA.slots.map(({ pooling }) => pooling),
      layout: LAYOUT,
      userSlots: userSlotsOf(SCHEMA, () => true),
      validationBins: 1_000,
      ...options.trainer,
    });
  }
}

async function startJoiner({ options, eventLog, exampleLog, start }: LoopParts): Promise<void> {
  await start(defineJoiner({ eventLog, exampleLog }), 0, {
    ...COLUMNS,
    partition: 0,
    windowMs: 10_000,
    clockSkewMsMax: 1_000,
    clocksApartMsMax: 0,
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
    batchRows: options.trainer?.batchRows ?? 32,
    lingerMs: 20,
    ...options.joiner,
  });
}

async function startScorer(parts: LoopParts): Promise<void> {
  const { options, start } = parts;
  const createInference = async () => {
    const session = await createInferenceSession(MODEL, {
      provider: "reference",
      threads: 1,
      seed: 5,
    });
    return options.interference?.inferenceSession?.(session) ?? session;
  };
  await start(defineScorer({ blobs: parts.blobs, createSession: createInference }), 0, {
    sharding: 0,
    replicas: replicasOf(parts),
    parameterSync: "parameter_sync/0",
    rowFeed: "row_feed/0",
    lookupBudgetMs: 1_000,
    batchRowsMax: 1_024,
    requestsWaitingMax: 256,
    explanationsWaitingMax: 16,
    schema: SCHEMA,
    scoreWeights: [1],
    layout: LAYOUT,
    ...options.scorer,
  });
}

async function startKeepers({ options, eventLog, blobs, start }: LoopParts): Promise<void> {
  const { kept } = options;
  for (const shard of keeperNumbersOf(options)) {
    await start(defineFeatureKeeper({ eventLog, blobs }), shard, {
      features: [],
      shard,
      shards: 1,
      bytesMax: 2 ** 24,
      valuesMax: 10,
      rankingsMax: 1_000,
      checkpointMs: 1_000,
      ...kept,
    });
  }
}

async function startRetriever({ options, profiles, start }: LoopParts): Promise<void> {
  if (options.recommend === undefined) return;
  await start(defineRetriever(), 0, {
    scorer: "scorer/0",
    schema: SCHEMA,
    dim: DIM,
    itemsMax: 1_000,
    attributeTypes: ATTRIBUTE_TYPES,
    recentBy: "price",
    refreshShare: 0.5,
    ...options.recommend,
  });
  await start(defineCatalogue({ profiles }), 0, { retriever: "retriever/0" });
}

async function startRanker({ options, eventLog, profiles, start }: LoopParts): Promise<void> {
  const { kept, recommend, sharedRankings } = options;
  const stores = { eventLog, profiles, ...(sharedRankings && { sharedRankings }) };
  await start(defineRanker(stores), 0, {
    scorer: "scorer/0",
    schema: SCHEMA,
    taskNames: ["clicked"],
    itemCacheBytesMax: 2 ** 16,
    explainedItemsMax: 20,
    explainingMax: 16,
    keepers: keeperNumbersOf(options).map((keeper): Address => `feature_keeper/${keeper}`),
    keptSlots: [],
    keptByItem: keptByItem(kept?.features ?? []),
    keptBudgetMs: 50,
    topBy: {},
    removedItemsMax: 20,
    attributeTypes: ATTRIBUTE_TYPES,
    ...(recommend !== undefined && { retriever: "retriever/0" as const }),
    ...options.ranker,
  });
}

async function startRowFeed(parts: LoopParts): Promise<void> {
  const replicas = replicasOf(parts).flat();
  await parts.start(defineRowFeed(), 0, {
    sharding: 0,
    replicas: shardsOf(parts).map((shard, i) => ({ shard, replica: replicas[i] })),
    scorer: "scorer/0",
    asked: replicasOf(parts),
    retryMs: 50,
    rowsMax: 4_096,
    budgetMs: 1_000,
  });
}

async function startParameterSync(parts: LoopParts): Promise<void> {
  const { trainers, start } = parts;
  await start(defineParameterSync(), 0, {
    shards: shardsOf(parts),
    trainers,
    dealing: 0,
    scorers: ["scorer/0"],
    rowsIntervalMs: 50,
    denseIntervalMs: 200,
    averageIntervalMs: 200,
    budgetMs: 1_000,
  });
}
