/**
 * Derives the options of the feature keepers from the file.
 */
import type {
  FeatureKeeperOptions,
  KeptEvent,
  KeptFeature,
  KeptSpan,
} from "../actors/feature_keeper/options.ts";
import type { GatewayOptions } from "../gateway/options.ts";
import type { SlotColumn } from "../kernels/features/values_of_items.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import { invariant, present } from "../structures/invariant.ts";
import type { CairnFile } from "./schema.ts";

/** Time between two checkpoints of a keeper, ms. */
const CHECKPOINT_MS = 10_000;

/** The keepers' options without their shard; absent where no feature is kept. */
export function keepersOf(
  { kept, storage }: CairnFile,
  { rankingsRememberedMax }: GatewayOptions,
  schema: FeatureSchema,
): { readonly featureKeeper?: Omit<FeatureKeeperOptions, "shard"> } {
  const features = Object.entries(kept.features)
    .map(([name, feature]) => keptFeatureOf(name, feature, schema));
  if (features.length === 0) return {};
  const { shards, bytesMax, valuesMax } = kept;
  return {
    featureKeeper: {
      features,
      shards,
      bytesMax,
      valuesMax,
      rankingsMax: Math.max(1, rankingsRememberedMax),
      checkpointMs: storage.kind === "memory" ? 0 : CHECKPOINT_MS,
    },
  };
}

function keptFeatureOf(
  name: string,
  feature: CairnFile["kept"]["features"][string],
  schema: FeatureSchema,
): KeptFeature {
  if (feature.kind === "history") {
    const { action, last, session: sessionMs } = feature;
    return {
      kind: "history",
      name,
      of: eventOf(action, feature),
      last,
      ...(sessionMs !== undefined && { sessionMs }),
    };
  }
  const { by } = feature;
  const common = {
    name,
    by,
    ...(feature.slot !== undefined && { slot: slotOf(feature.slot, schema) }),
    of: eventOf(feature.of, feature),
  };
  switch (feature.kind) {
    case "count":
      return { kind: "count", ...common, span: spanOf(feature) };
    case "rate": {
      const { per, prior } = feature;
      return { kind: "rate", ...common, per: { action: per }, span: spanOf(feature), prior };
    }
    case "mean":
      return { kind: "mean", ...common, span: spanOf(feature), prior: feature.prior };
    case "trend":
      return { kind: "trend", ...common, windowMs: feature.window };
    case "age":
    case "since":
      return { kind: feature.kind, ...common };
    default:
      return feature satisfies never;
  }
}

function eventOf(
  action: string,
  { valueAtLeast: atLeast, valueBelow: below }: {
    readonly valueAtLeast?: number | undefined;
    readonly valueBelow?: number | undefined;
  },
): KeptEvent {
  return {
    action,
    ...(atLeast !== undefined && { atLeast }),
    ...(below !== undefined && { below }),
  };
}

function spanOf({ window: windowMs, session: sessionMs }: {
  readonly window?: number | undefined;
  readonly session?: number | undefined;
}): KeptSpan {
  if (windowMs !== undefined) return { windowMs };
  return { sessionMs: present(sessionMs, "a checked feature has a window or a session") };
}

function slotOf(name: string, { slots }: FeatureSchema): SlotColumn {
  const column = slots.findIndex((slot) => slot.name === name);
  invariant(column >= 0, "a checked feature names a slot");
  return { name, number: slots[column].number, column };
}
