import assert from "node:assert/strict";
import type {
  DenseDefinition,
  FeatureSchema,
  SlotDefinition,
} from "../../../kernels/features/schema.ts";
import { exampleColumnsOf, rowColumnsOf } from "../../../kernels/features/schema_fingerprint.ts";

const user: SlotDefinition = {
  kind: "id",
  name: "user",
  number: 1,
  source: "user",
  pooling: "sum",
};
const tags: SlotDefinition = {
  kind: "list",
  name: "tags",
  number: 2,
  source: "item",
  attribute: "tags",
  valuesMax: 4,
  pooling: "sum",
};
const price: SlotDefinition = {
  kind: "numeric",
  name: "price",
  number: 3,
  source: "item",
  attribute: "price",
  buckets: { kind: "log", unit: 1, perDoubling: 2 },
  pooling: "sum",
};
const cross: SlotDefinition = {
  kind: "cross",
  name: "user_x_tags",
  number: 4,
  of: ["user", "tags"],
  valuesMax: 8,
  pooling: "sum",
};
const hour: SlotDefinition = {
  kind: "time",
  name: "hour",
  number: 5,
  part: "hourOfDay",
  utcOffsetMinutes: 0,
  pooling: "sum",
};
const age: DenseDefinition = {
  name: "age",
  source: "user",
  attribute: "age",
  scaling: { kind: "standard", mean: 40, stddev: 10, clip: 3 },
};
const stock: DenseDefinition = {
  name: "stock",
  source: "item",
  attribute: "stock",
  scaling: { kind: "range", low: 0, high: 9 },
};

function schemaOf(
  slots: readonly SlotDefinition[],
  dense: readonly DenseDefinition[],
): FeatureSchema {
  return { slots, dense, denseWidth: dense.length };
}

const slots = [user, tags, price, cross, hour];
const dense = [age, stock];
const fingerprint = (...parts: Parameters<typeof schemaOf>) =>
  rowColumnsOf(schemaOf(...parts), "clicked").schemaFingerprint;
const original = fingerprint(slots, dense);

Deno.test("another order or meaning of a column gives rankings another fingerprint", () => {
  const others: Record<string, number> = {
    "slots in another order": fingerprint([tags, user, price, cross, hour], dense),
    "dense values in another order": fingerprint(slots, [stock, age]),
    "a slot more": fingerprint([...slots, { ...tags, number: 9, name: "more" }], dense),
    "a slot of another number": fingerprint([{ ...user, number: 9 }, ...slots.slice(1)], dense),
    "another attribute": fingerprint(
      [user, { ...tags, attribute: "genres" }, ...slots.slice(2)],
      dense,
    ),
    "other buckets": fingerprint(
      [user, tags, { ...price, buckets: { kind: "log", unit: 1, perDoubling: 4 } }, cross, hour],
      dense,
    ),
    "another cross": fingerprint(
      [user, tags, price, { ...cross, of: ["user", "price"] }, hour],
      dense,
    ),
    "another time zone": fingerprint(
      [...slots.slice(0, 4), { ...hour, utcOffsetMinutes: 60 }],
      dense,
    ),
    "another scaling": fingerprint(slots, [{ ...age, scaling: { kind: "log" } }, stock]),
    "another first task": rowColumnsOf(schemaOf(slots, dense), "bought").schemaFingerprint,
  };
  const names = Object.keys(others);
  assert.equal(new Set([original, ...Object.values(others)]).size, 1 + names.length);
});

Deno.test("a slot keeps its column under another name, pooling or bound of its values", () => {
  const renamed = [
    user,
    { ...tags, name: "labels", valuesMax: 9, pooling: "mean" },
    price,
    { ...cross, of: ["user", "labels"], valuesMax: 2 },
    hour,
  ] as const;
  assert.equal(fingerprint(renamed, dense), original);
});

Deno.test("the fingerprint does not depend on the order in which definitions have their fields", () => {
  const reversed = slots.map((slot) =>
    Object.fromEntries(Object.entries(slot).toReversed()) as unknown as SlotDefinition
  );
  assert.equal(fingerprint(reversed, dense), original);
});

Deno.test("examples have another fingerprint where the tasks are others or in another order", () => {
  const rows = rowColumnsOf(schemaOf(slots, dense), "clicked");
  const prints = [["clicked"], ["clicked", "liked", "bought"], ["clicked", "bought", "liked"]]
    .map((tasks) => exampleColumnsOf(rows, tasks));
  assert.deepEqual(prints.map(({ tasks }) => tasks), [1, 3, 3]);
  assert.equal(new Set(prints.map(({ schemaFingerprint }) => schemaFingerprint)).size, 3);
  const reordered = rowColumnsOf(schemaOf(slots, [stock, age]), "clicked");
  assert.notEqual(
    exampleColumnsOf(reordered, ["clicked"]).schemaFingerprint,
    prints[0].schemaFingerprint,
  );
});
