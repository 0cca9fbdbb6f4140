/**
 * Builds the options of all actors from the checked file.
 */
import { keptByItem, keptSlots } from "../actors/feature_keeper/options.ts";
import { correctsLogOdds } from "../kernels/dense/losses.ts";
import { widthOf } from "../kernels/embedding/row_classes.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import { exampleColumnsOf, rowColumnsOf } from "../kernels/features/schema_fingerprint.ts";
import { comparedSectionsOf } from "./compared_sections.ts";
import type { CairnConfiguration } from "./configuration.ts";
import { userSlotsOf } from "../kernels/features/user_slots.ts";
import { ownerOf, slotNumber } from "./feature_schema.ts";
import { labelMaxOf, labelRulesOf } from "./label_rules.ts";
import { embeddingDimOf, outlivesOf, rowClassesOf, rowLayoutOf } from "./row_classes.ts";
import { gatewayOptionsOf, learnedWithinMs, stopAfterMsOf } from "./gateway_options.ts";
import { keepersOf } from "./kept_features.ts";
import { attributeTypesOf } from "./scenarios.ts";
import type { CairnFile } from "./schema.ts";
import { meshOptionsOf } from "./mesh_options.ts";
import { partitionsOf } from "./partitions.ts";
import { bytesPerShard, shardMemoryOf } from "./sharding.ts";
import {
  denseOptimizerOf,
  learningRateScheduleOf,
  modelOptionsOf,
  modelSizesOf,
  taskOptionsOf,
} from "./model_options.ts";

/** Clocks of the hosts of a mesh are less than this apart, ms; docs/mesh.md asks for it. */
const CLOCKS_APART_MS_MAX = 10_000;
/** Longest pause of a row feed after a failure, ms: `sync.rowsInterval` may be a day. */
const FEED_RETRY_MS_MAX = 1_000;
/** Bound of the items that a ranking with `explain` explains, best first. */
const EXPLAINED_ITEMS_MAX = 20;
/** Bound of the items left out by rules that an answer with `explain` lists. */
const REMOVED_ITEMS_MAX = 20;
/** Bound of the rankings with explanations in progress. */
const EXPLAINING_MAX = 16;

/** The configuration without its warnings. */
export function actorOptionsOf(
  file: CairnFile,
  schema: FeatureSchema,
): Omit<CairnConfiguration, "warnings"> {
  const { embeddings, joiner, trainer, sync, ranker, gateway, model } = file;
  const gatewayOptions = gatewayOptionsOf(file);
  const keepers = keepersOf(file, gatewayOptions, schema);
  const rowColumns = rowColumnsOf(schema, model.tasks[0]);
  const columns = schema.slots.map(({ name }) => name);
  const layout = rowLayoutOf(file, columns);
  const schedule = learningRateScheduleOf(model);
  const partitions = partitionsOf(file);
  const shardMemory = shardMemoryOf(file);
  const shardBytes = bytesPerShard(shardMemory, file.shards.count);
  return {
    features: { schema, itemCacheBytesMax: file.features.itemCache },
    model: modelOptionsOf(
      model,
      columns,
      columns.map((name) => embeddingDimOf(name, file)),
      (task) => labelMaxOf(task, model, joiner),
    ),
    modelSizes: modelSizesOf(file, schema),
    session: {
      optimizer: denseOptimizerOf(model),
      ...(schedule === undefined ? {} : { learningRateSchedule: schedule }),
      provider: trainer.provider,
      threads: trainer.threads,
      seed: model.seed,
      divergence: { explosionFactor: trainer.explosionFactor },
    },
    shardCount: file.shards.count,
    sharding: 0,
    shardMemory,
    partitions,
    earlierPartitions: [],
    learnedWithinMs: learnedWithinMs(joiner),
    joinerBounds: {
      impressionsMax: joiner.impressionsMax,
      impressionsBytesMax: joiner.impressionsBytesMax,
      // A restarted gateway reads these records back, see LogRecall.
      recordsRetained: file.storage.kind === "memory"
        ? 0
        : gatewayOptions.eventsRememberedMax + gatewayOptions.rankingsRememberedMax,
    },
    trainerCount: trainer.count,
    dealing: 0,
    placement: file.placement,
    ...(file.mesh && { mesh: meshOptionsOf(file.mesh, gateway) }),
    embeddingShard: {
      tables: {
        seed: embeddings.seed,
        classes: rowClassesOf(file),
        bytesMax: shardBytes.training,
        atLimit: embeddings.atLimit,
        servedPrecision: embeddings.serving.precision,
      },
      slotNames: Object.fromEntries(
        columns.map((name) => ownerOf(name, file.features.slots))
          .map((owner) => [slotNumber(owner, file.features.slots), owner]),
      ),
      evictionIntervalMs: embeddings.evictionInterval,
      evictionBucketsMax: embeddings.evictionBucketsMax,
      awaitedBytesMax: embeddings.awaitedBytesMax,
      shards: file.shards.count,
      snapshotChunkRows: file.storage.kind === "directory"
        ? file.storage.snapshots.chunkRows
        : 8192,
    },
    servingReplica: {
      widths: layout.classes.map(widthOf),
      precision: embeddings.serving.precision,
      bytesMax: shardBytes.serving,
    },
    servingReplicas: embeddings.serving.replicas,
    joiner: {
      ...rowColumns,
      windowMs: joiner.window,
      clockSkewMsMax: joiner.clockSkewMax,
      clocksApartMsMax: file.mesh === undefined ? 0 : CLOCKS_APART_MS_MAX,
      actionsPerImpressionMax: joiner.actionsPerImpressionMax,
      // In the order of the model's tasks: label column t belongs to task t.
      tasks: model.tasks.map((task) => ({
        task,
        rules: labelRulesOf(task, model, joiner),
        ...(Object.hasOwn(joiner.lateLabels, task) && { lateMs: joiner.lateLabels[task] }),
      })),
      negativeSampling: {
        ...joiner.negativeSampling,
        correction: correctsLogOdds(model.tasks.map((task) => taskOptionsOf(task, model)))
          ? "logOdds"
          : "weight",
      },
      recordsPerTurn: joiner.recordsPerTurn,
      batchRows: trainer.batchRows,
      lingerMs: trainer.linger,
    },
    trainer: {
      ...exampleColumnsOf(rowColumns, model.tasks),
      combiners: schema.slots.map(({ pooling }) => pooling),
      taskNames: model.tasks,
      layout,
      batchRows: trainer.batchRows,
      pipelined: trainer.pipelined,
      chunksPerRead: trainer.chunksPerRead,
      rowsWaitingMax: trainer.rowsWaitingMax,
      shardBudgetMs: trainer.shardBudget,
      shardAttemptsMax: trainer.shardAttemptsMax,
      userSlots: userSlotsOf(schema, outlivesOf(rowClassesOf(file))),
      validationBins: trainer.validationBins,
    },
    sync: {
      rowsIntervalMs: sync.rowsInterval,
      denseIntervalMs: sync.denseInterval,
      averageIntervalMs: trainer.averageInterval,
      budgetMs: sync.budget,
    },
    rowFeed: {
      retryMs: Math.min(sync.rowsInterval, FEED_RETRY_MS_MAX),
      rowsMax: sync.rowsMax,
      budgetMs: sync.budget,
    },
    ranker: {
      schema,
      taskNames: model.tasks,
      itemCacheBytesMax: file.features.itemCache,
      explainedItemsMax: EXPLAINED_ITEMS_MAX,
      keptSlots: keptSlots(keepers.featureKeeper?.features ?? []),
      keptByItem: keptByItem(keepers.featureKeeper?.features ?? []),
      keptBudgetMs: file.kept.budget,
      topBy: topByOf(file),
      ...(file.recommend.historyBy !== undefined && { historyBy: file.recommend.historyBy }),
      removedItemsMax: REMOVED_ITEMS_MAX,
      attributeTypes: gatewayOptions.attributeTypes,
      explainingMax: EXPLAINING_MAX,
    },
    ...keepers,
    ...retrieverOf(file, schema),
    scorer: {
      schema,
      scoreWeights: scoreWeightsOf(model.tasks, ranker.scoreWeights),
      layout,
      lookupBudgetMs: ranker.lookupBudget,
      batchRowsMax: ranker.batchRowsMax,
      requestsWaitingMax: ranker.requestsWaitingMax,
      explanationsWaitingMax: EXPLAINING_MAX,
    },
    storage: file.storage,
    http: { host: gateway.host, port: gateway.port, stopAfterMs: stopAfterMsOf(file) },
    gateway: gatewayOptions,
    compared: comparedSectionsOf(file),
  };
}

function topByOf({ recommend }: CairnFile): CairnConfiguration["ranker"]["topBy"] {
  const { popularBy: popular, trendingBy: trending } = recommend;
  return { ...(popular !== undefined && { popular }), ...(trending !== undefined && { trending }) };
}

function retrieverOf(
  file: CairnFile,
  schema: FeatureSchema,
): Pick<CairnConfiguration, "retriever"> {
  const { recommend, model } = file;
  if (!recommend.enabled || !("embeddingDim" in model)) return {};
  const { itemsMax, recentBy, refreshShare } = recommend;
  return {
    retriever: {
      schema,
      dim: model.embeddingDim,
      itemsMax,
      // Without kept features, which the retriever does not have.
      attributeTypes: attributeTypesOf({ ...file, kept: { ...file.kept, features: {} } }),
      ...(recentBy !== undefined && { recentBy }),
      refreshShare,
    },
  };
}

/** Weights by task; by default the first task's is 1 and all others are 0. */
function scoreWeightsOf(
  tasks: readonly string[],
  weights: Readonly<Record<string, number>>,
): number[] {
  const isDefault = Object.keys(weights).length === 0;
  return tasks.map((task, t) => {
    if (isDefault) return t === 0 ? 1 : 0;
    return Object.hasOwn(weights, task) ? weights[task] : 0;
  });
}
