/**
 * The checked file as the options of the parts.
 */
import type {
  SegmentOptions,
  SlotOptions,
  SparseOptimizerOptions,
  TableOptions,
} from "../kernels/embedding/options.ts";
import {
  type FeatureSchema,
  type SlotDefinition,
  slotNumberOf,
} from "../kernels/features/schema.ts";
import type { CairnConfiguration } from "./configuration.ts";
import type { CairnFile } from "./schema.ts";
import { segmentsOf } from "./segments.ts";

export function partsOf(file: CairnFile, schema: FeatureSchema): CairnConfiguration {
  const { embeddings, joiner, trainer, sync, ranker, gateway, model } = file;
  const table = tableOptionsOf(file);
  const segments = table.segments.map(({ name, dim }) => ({ name, dim }));
  const columns = {
    denseWidth: schema.denseWidth,
    combiners: schema.slots.map(({ pooling }) => pooling),
    tasks: model.tasks.length,
    segments,
  };
  return {
    features: { schema, itemsCachedMax: file.features.itemsCachedMax },
    model,
    session: { provider: trainer.provider, threads: trainer.threads },
    shardCount: file.shards.count,
    placement: file.placement,
    embeddingShard: {
      table,
      evictionIntervalMs: embeddings.evictionInterval,
      evictionBucketsMax: embeddings.evictionBucketsMax,
    },
    servingReplica: {
      width: segments.reduce((width, { dim }) => width + dim, 0),
      precision: embeddings.serving.precision,
      bytesMax: Math.floor(embeddings.serving.bytesMax / file.shards.count),
    },
    joiner: {
      slots: schema.slots.length,
      denseWidth: schema.denseWidth,
      windowMs: joiner.window,
      clockSkewMsMax: joiner.clockSkewMax,
      impressionsMax: joiner.impressionsMax,
      actionsPerImpressionMax: joiner.actionsPerImpressionMax,
      // In the model's order: label column t is the model's task t.
      tasks: model.tasks.map((task) => ({
        task,
        rules: joiner.tasks[task].map(({ action, valueAtLeast, valueBelow, label, final }) => ({
          action,
          ...(valueAtLeast === undefined ? {} : { atLeast: valueAtLeast }),
          ...(valueBelow === undefined ? {} : { below: valueBelow }),
          label,
          final,
        })),
      })),
      negativeSampling: joiner.negativeSampling,
      recordsPerTurn: joiner.recordsPerTurn,
      chunkRowsMax: joiner.chunkRowsMax,
    },
    trainer: {
      ...columns,
      slots: schema.slots.length,
      batchRows: trainer.batchRows,
      lingerMs: trainer.linger,
      chunksPerRead: trainer.chunksPerRead,
      rowsWaitingMax: trainer.rowsWaitingMax,
      shardBudgetMs: trainer.shardBudget,
      shardAttemptsMax: trainer.shardAttemptsMax,
      validationBins: trainer.validationBins,
      lossMax: trainer.lossMax,
    },
    sync: {
      rowsIntervalMs: sync.rowsInterval,
      denseIntervalMs: sync.denseInterval,
      deltaRowsMax: sync.rowsMax,
      deltasPerRoundMax: sync.deltasPerRoundMax,
      budgetMs: sync.budget,
    },
    ranker: {
      ...columns,
      lookupBudgetMs: ranker.lookupBudget,
      batchRowsMax: ranker.batchRowsMax,
      slotNames: schema.slots.map(({ name }) => name),
      itemSlots: schema.slots.flatMap((slot, column) =>
        isOfItem(slot, schema.slots) ? [column] : []
      ),
    },
    storage: file.storage,
    http: { host: gateway.host, port: gateway.port, docsPage: gateway.docsPage },
    gateway: {
      apiKeys: gateway.apiKeys,
      bodyBytesMax: gateway.bodyMax,
      deadlineMs: gateway.deadline,
      requestsInFlightMax: gateway.requestsInFlightMax,
      timestampAheadMsMax: gateway.timestampAheadMax,
      eventsRememberedMax: gateway.eventsRememberedMax,
      rankingsRememberedMax: gateway.rankingsRememberedMax,
      unknownRankings: gateway.unknownRankings,
    },
  };
}

/** Made from the item alone. */
function isOfItem(slot: SlotDefinition, all: readonly SlotDefinition[]): boolean {
  if (slot.kind === "time") return false;
  if (slot.kind !== "cross") return slot.source === "item";
  return slot.of.every((name) => isOfItem(all.find((other) => other.name === name)!, all));
}

/** One shard's table. */
function tableOptionsOf({ embeddings, features, model, shards }: CairnFile): TableOptions {
  return {
    seed: embeddings.seed,
    segments: segmentsOf(model).map((segment) => ({
      ...segment,
      ...overridesOf(embeddings.segments)[segment.name],
    })),
    slots: Object.entries(features.slots).map(([name, { slot }]) => {
      const special = embeddings.slots[name];
      const expiryMs = special?.expiry ?? embeddings.expiry;
      return {
        slot: slot ?? slotNumberOf(name),
        admission: special?.admission ?? embeddings.admission,
        ...(expiryMs === undefined ? {} : { expirySeconds: expiryMs / 1000 }),
        ...(special === undefined ? {} : { segments: overridesOf(special.segments) }),
      } satisfies SlotOptions;
    }),
    bytesMax: Math.floor(embeddings.bytesMax / shards.count),
    atLimit: embeddings.atLimit,
  };
}

type Overrides = Record<string, Partial<Pick<SegmentOptions, "initializer" | "optimizer">>>;

/** Keys that were left out are absent, not undefined: they must not cover a default. */
function overridesOf(segments: CairnFile["embeddings"]["segments"]): Overrides {
  return Object.fromEntries(
    Object.entries(segments).map(([name, { initializer, optimizer }]) => [name, {
      ...(initializer === undefined ? {} : { initializer }),
      ...(optimizer === undefined ? {} : { optimizer: withoutUndefined(optimizer) }),
    }]),
  );
}

type OptimizerSection = NonNullable<CairnFile["embeddings"]["segments"][string]["optimizer"]>;

function withoutUndefined(optimizer: OptimizerSection): SparseOptimizerOptions {
  const entries = Object.entries(optimizer).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as SparseOptimizerOptions;
}
