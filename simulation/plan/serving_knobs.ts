/**
 * Settings of the model and of its features. Models that add up their slots are served by ranking,
 * the others by whole rows (docs/adr/0044). Slots of the context and the time are shared by all
 * rows of a ranking; slots of kept features change while a ranking is under way.
 */
import type { Knob } from "./knobs.ts";

const dense = { embeddingDim: 2, hidden: [3], tasks: ["bought"] } as const;

/** A slot of the items that the user has clicked, as the server keeps them. */
const recentItems = {
  "features.slots.recent": { kind: "list", source: "user", idsOf: "item" },
} as const;

export const servingKnobs: readonly Knob[] = [
  {
    sets: [
      undefined,
      undefined,
      undefined,
      { model: { kind: "wideAndDeep", ...dense, normalization: "batch" } },
      { model: { kind: "deepFm", ...dense, dropout: 0.2 }, ...recentItems },
      { model: { kind: "dcnV2", ...dense, crossLayers: 1 } },
      {
        model: {
          kind: "deepFm",
          ...dense,
          attention: [{ slot: "recent", candidate: "item", lengthMax: 3, hidden: [3] }],
        },
        ...recentItems,
      },
      {
        model: {
          kind: "mmoe",
          embeddingDim: 2,
          experts: 2,
          expertHidden: [3],
          towerHidden: [],
          tasks: ["bought", "looked"],
        },
        "joiner.tasks.looked": [{ action: "look", label: "positive" }],
        "ranker.scoreWeights": { bought: 1, looked: 0.5 },
      },
    ],
  },
  { path: "features.slots.hour", values: [undefined, { kind: "time", part: "hourOfDay" }] },
  {
    path: "features.slots.mood",
    values: [undefined, { kind: "list", source: "context", attribute: "tags" }],
  },
  {
    path: "features.slots.user_tags",
    values: [undefined, undefined, { kind: "cross", of: ["user", "tags"] }],
  },
  {
    path: "features.slots.clicks_minute",
    values: [undefined, undefined, {
      kind: "numeric",
      source: "item",
      buckets: { kind: "log" },
      dense: { kind: "log" },
    }],
  },
  { path: "embeddings.serving.precision", values: [undefined, undefined, "fp16", "int8"] },
];
