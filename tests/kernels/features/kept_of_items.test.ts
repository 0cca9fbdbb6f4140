import assert from "node:assert/strict";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";

const schema: FeatureSchema = {
  slots: [
    { kind: "id", name: "user", number: 1, source: "user", pooling: "sum" },
    {
      kind: "numeric",
      name: "clicks",
      number: 2,
      source: "item",
      attribute: "clicks",
      buckets: { kind: "linear", width: 10 },
      pooling: "sum",
    },
    { kind: "id", name: "item", number: 3, source: "item", pooling: "sum" },
  ],
  dense: [
    { name: "price", source: "item", attribute: "price", scaling: { kind: "none", clip: 1e4 } },
    { name: "rate", source: "item", attribute: "rate", scaling: { kind: "none", clip: 1e4 } },
  ],
  denseWidth: 2,
  keptOfItems: ["rate", "clicks"],
};

Deno.test("kept numbers are of the request's moment, also for items in the cache", () => {
  const extractor = new FeatureExtractor(schema, FeatureHasher.create(), {
    itemCacheBytesMax: 1 << 20,
    storedItems: (ids) => ids.map(() => ({ price: 5, rate: 99, clicks: 99 })),
  });
  const request = {
    user: "u",
    userAttributes: {},
    context: {},
    atMs: 0,
    items: [{ id: "a" }, { id: "b" }],
  };
  const first = extractor.extract({ ...request, keptOfItems: Float64Array.of(0.25, 7, NaN, NaN) });
  assert.deepEqual([...first.dense], [5, 0.25, 5, 0]);
  assert.deepEqual([...first.listOffsets], [0, 1, 2, 3, 4, 4, 5]);
  const again = extractor.extract({ ...request, keptOfItems: Float64Array.of(0.5, 7, 1, 17) });
  assert.deepEqual([...again.dense], [5, 0.5, 5, 1]);
  assert.deepEqual([...again.listOffsets], [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(again.ids[1], first.ids[1], "the same bucket is the same id");
  assert.notEqual(again.ids[4], again.ids[1]);
  assert.equal(again.ids[5], first.ids[4], "the item's own id comes from the cache");
  const without = extractor.extract(request);
  assert.deepEqual([...without.dense], [5, 0, 5, 0]);
  assert.deepEqual([...without.listOffsets], [0, 1, 1, 2, 3, 3, 4]);
});
