/** Schemas and requests that the feature tests share. */
import fc from "fast-check";
import type { FeatureItem, FeatureRequest } from "../../../kernels/features/feature_request.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";

/** One slot of each kind from each source, crosses of each class, dense values of two sources. */
export const fullSchema: FeatureSchema = {
  slots: [
    { name: "user", number: 1, kind: "id", source: "user", pooling: "sum" },
    { name: "item", number: 2, kind: "id", source: "item", pooling: "sum" },
    {
      name: "tags",
      number: 3,
      kind: "list",
      source: "item",
      attribute: "tags",
      pooling: "mean",
      valuesMax: 3,
    },
    {
      name: "device",
      number: 4,
      kind: "categorical",
      source: "context",
      attribute: "device",
      pooling: "sum",
    },
    {
      name: "price",
      number: 5,
      kind: "numeric",
      source: "item",
      attribute: "price",
      pooling: "sum",
      buckets: { kind: "log", unit: 1, perDoubling: 2 },
    },
    {
      name: "user_tags",
      number: 6,
      kind: "cross",
      of: ["user", "tags"],
      pooling: "mean",
      valuesMax: 64,
    },
    {
      name: "price_tags",
      number: 7,
      kind: "cross",
      of: ["price", "tags"],
      pooling: "mean",
      valuesMax: 2,
    },
    {
      name: "user_device",
      number: 8,
      kind: "cross",
      of: ["user", "device"],
      pooling: "sum",
      valuesMax: 4,
    },
    {
      name: "hour",
      number: 9,
      kind: "time",
      part: "hourOfDay",
      utcOffsetMinutes: 0,
      pooling: "sum",
    },
  ],
  dense: [
    { name: "price", source: "item", attribute: "price", scaling: { kind: "log" } },
    { name: "age", source: "user", attribute: "age", scaling: { kind: "none", clip: 1e4 } },
  ],
  denseWidth: 2,
};

const id = fc.string({ maxLength: 6, unit: "grapheme" });
const tags = fc.array(fc.constantFrom("a", "b", "ü", "日本", "emoji 🎬"), { maxLength: 5 });
const price = fc.oneof(fc.constant(null), fc.double({ noNaN: true, min: -3e38, max: 3e38 }));

export const itemArbitrary: fc.Arbitrary<FeatureItem> = fc.record({
  id,
  fields: fc.record({ tags, price }, { requiredKeys: [] }),
});

export const requestArbitrary: fc.Arbitrary<FeatureRequest> = fc.record({
  user: id,
  userAttributes: fc.record({ age: fc.integer() }, { requiredKeys: [] }),
  context: fc.record({ device: fc.oneof(id, fc.integer(), fc.boolean(), fc.constant(null)) }, {
    requiredKeys: [],
  }),
  atMs: fc.integer({ min: -1e12, max: 2e12 }),
  items: fc.array(itemArbitrary, { maxLength: 6 }),
});

/** Each row as plain values: its ids per slot, and its dense values. */
export function rowsOf(batch: FeatureBatch, slots: number): { ids: string[][]; dense: number[] }[] {
  const denseWidth = batch.rows === 0 ? 0 : batch.dense.length / batch.rows;
  return Array.from({ length: batch.rows }, (_, row) => ({
    ids: Array.from({ length: slots }, (_, slot) => {
      const slice = row * slots + slot;
      const [start, end] = [batch.listOffsets[slice], batch.listOffsets[slice + 1]];
      return Array.from(batch.ids.subarray(start, end), String);
    }),
    dense: [...batch.dense.subarray(row * denseWidth, (row + 1) * denseWidth)],
  }));
}
