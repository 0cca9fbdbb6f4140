/**
 * Derives the options of the feature keepers from the file.
 */
import type {
  FeatureKeeperOptions,
  KeptEvent,
  KeptFeature,
} from "../actors/feature_keeper/options.ts";
import type { GatewayOptions } from "../gateway/options.ts";
import type { CairnFile } from "./schema.ts";

/** Time between two checkpoints of a keeper, ms. */
const CHECKPOINT_MS = 10_000;

/** The keepers' options without their shard; absent where no feature is kept. */
export function keepersOf(
  { kept, storage }: CairnFile,
  { rankingsRememberedMax }: GatewayOptions,
): { readonly featureKeeper?: Omit<FeatureKeeperOptions, "shard"> } {
  const features = Object.entries(kept.features)
    .map(([name, feature]) => keptFeatureOf(name, feature));
  if (features.length === 0) return {};
  const { shards, usersMax, itemsMax } = kept;
  return {
    featureKeeper: {
      features,
      shards,
      usersMax,
      itemsMax,
      rankingsMax: Math.max(1, rankingsRememberedMax),
      checkpointMs: storage.kind === "memory" ? 0 : CHECKPOINT_MS,
    },
  };
}

function keptFeatureOf(
  name: string,
  feature: CairnFile["kept"]["features"][string],
): KeptFeature {
  if (feature.kind === "history") return { ...feature, name };
  const { by, of: action, valueAtLeast: atLeast, valueBelow: below } = feature;
  const of: KeptEvent = {
    action,
    ...(atLeast !== undefined && { atLeast }),
    ...(below !== undefined && { below }),
  };
  switch (feature.kind) {
    case "count":
    case "trend":
      return { kind: feature.kind, name, by, of, windowMs: feature.window };
    case "rate": {
      const { per, window: windowMs, prior } = feature;
      return { kind: "rate", name, by, of, per: { action: per }, windowMs, prior };
    }
    case "since":
      return { kind: "since", name, by, of };
    default:
      return feature satisfies never;
  }
}
