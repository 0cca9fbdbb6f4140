/** Rows of new items from the rows of their attribute values. */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { FirstRows } from "../../../offline/training/first_rows.ts";
import { wholeTables } from "../../../offline/training/training_pass.ts";

const configuration = parseConfiguration(
  `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    genres: { kind: list, source: item }
    shelf: { kind: categorical, source: item, embeddingDim: 4 }
model: { kind: wideAndDeep, embeddingDim: 2, hidden: [4], tasks: [liked] }
joiner: { tasks: { liked: [{ action: seen, label: positive }] } }`,
  "first_rows.yaml",
);
const { features: { schema }, trainer: { layout } } = configuration;
const extractor = new FeatureExtractor(schema, FeatureHasher.create());
const kernel = BatchKernel.create(layout.classes);

function batchOf(item: string, attributes: Record<string, string | string[]>) {
  const features = extractor.extract({
    user: "u",
    userAttributes: {},
    context: {},
    atMs: 0,
    items: [{ id: item, fields: attributes }],
  });
  const idsOf = (name: string) => {
    const column = schema.slots.findIndex((slot) => slot.name === name);
    return features.ids.slice(features.listOffsets[column], features.listOffsets[column + 1]);
  };
  return { features, atMs: 0, idsOf };
}

function grouped(ids: BigUint64Array<ArrayBuffer>) {
  const { uniqueIds, groupStarts } = kernel.unique(ids, 1);
  return { ids: uniqueIds, starts: groupStarts };
}

/** A table in which the genres and the shelf have rows; they are known to the rule too. */
function learned(rule: FirstRows): ClassTables {
  const tables = wholeTables(configuration);
  const before = batchOf("before", { genres: ["calm", "loud"], shelf: "top" });
  rule.begin(before, tables);
  assert.equal(tables.statistics().rows, 0, "no attribute value has a row yet");
  const [calm, loud] = before.idsOf("genres");
  const assign = (id: bigint, weights: number[]) =>
    tables.assign(grouped(BigUint64Array.of(id)), Float32Array.from(weights), 0);
  assign(calm, [1, 2, 3]);
  assign(loud, [3, 6, 9]);
  assign(before.idsOf("shelf")[0], [100, 100, 100, 100, 100]);
  return tables;
}

const rowOf = (
  tables: ClassTables,
  id: BigUint64Array<ArrayBuffer>,
  missing: "zeros" | "initial",
) => [...tables.lookup(grouped(id), missing)];

const { slices } = layout.classes[0];

Deno.test("a new item begins with the mean of its known attribute values of the same width", () => {
  assert.deepEqual(slices.map(({ name }) => name), ["first_order", "embeddings"]);
  const rule = new FirstRows(configuration, ["first_order", "embeddings"]);
  const tables = learned(rule);
  const item = batchOf("new", { genres: ["calm", "loud", "unknown"], shelf: "top" });
  rule.begin(item, tables);
  // The first-order weight of the shelf is as wide as the item's; its embedding is not.
  const firstOrder = Math.fround((1 + 3 + 100) / 3);
  assert.deepEqual(rowOf(tables, item.idsOf("item"), "zeros"), [firstOrder, 4, 6]);
});

Deno.test("a slice that is not named begins as configured", () => {
  const rule = new FirstRows(configuration, ["embeddings"]);
  const tables = learned(rule);
  const item = batchOf("new", { genres: ["loud"] });
  const [firstOrder] = rowOf(tables, item.idsOf("item"), "initial");
  rule.begin(item, tables);
  assert.deepEqual(rowOf(tables, item.idsOf("item"), "zeros"), [firstOrder, 6, 9]);
});

Deno.test("an item that is known, or has no known attribute value, gets no row", () => {
  const rule = new FirstRows(configuration, ["embeddings"]);
  const tables = learned(rule);
  const { rows } = tables.statistics();
  rule.begin(batchOf("before", { genres: ["loud"] }), tables);
  rule.begin(batchOf("other", { genres: ["unknown"] }), tables);
  rule.begin(batchOf("bare", {}), tables);
  assert.equal(tables.statistics().rows, rows);
});
