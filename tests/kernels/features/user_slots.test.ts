import assert from "node:assert/strict";
import fc from "fast-check";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";
import {
  combinationsOf,
  crossIds,
  partnersOf,
  userSlotsOf,
} from "../../../kernels/features/user_slots.ts";
import { featureIdOf, signatureOf } from "../../../records/forgotten.ts";

const pooling = "sum";
const schema: FeatureSchema = {
  slots: [
    { kind: "id", name: "user", number: 1, source: "user", pooling },
    { kind: "id", name: "item", number: 2, source: "item", pooling },
    {
      kind: "list",
      name: "tags",
      number: 3,
      source: "item",
      attribute: "tags",
      valuesMax: 8,
      pooling,
    },
    {
      kind: "categorical",
      name: "device",
      number: 4,
      source: "context",
      attribute: "device",
      pooling,
    },
    { kind: "cross", name: "userItem", number: 5, of: ["user", "item"], valuesMax: 9, pooling },
    {
      kind: "cross",
      name: "deviceUserTags",
      number: 6,
      of: ["device", "user", "tags"],
      valuesMax: 50,
      pooling,
    },
    { kind: "cross", name: "itemDevice", number: 7, of: ["item", "device"], valuesMax: 9, pooling },
  ],
  dense: [],
  denseWidth: 0,
};

/** The ids of each slot in the batches of some requests. */
function idsBySlot(requests: readonly { user: string; device: string; tags: string[][] }[]) {
  const extractor = new FeatureExtractor(schema, FeatureHasher.create());
  const ids = new Set<bigint>();
  for (const { user, device, tags } of requests) {
    const batch = extractor.extract({
      user,
      userAttributes: {},
      context: { device },
      items: tags.map((tags, i) => ({ id: `item-${i}`, fields: { tags } })),
      atMs: 0,
    });
    for (const id of batch.ids) ids.add(id);
  }
  const of = (slot: number) =>
    BigUint64Array.from([...ids].filter((id) => Number(id >> 48n) === slot));
  return of;
}

Deno.test("the crosses of a user are found by the values of the other parts, and none of another user", () => {
  const slots = userSlotsOf(schema, () => true);
  assert.deepEqual(slots.ids, [1]);
  assert.deepEqual(slots.crosses.map(({ name }) => name), ["userItem", "deviceUserTags"]);
  assert.deepEqual(partnersOf(slots), [2, 4, 3]);
  const hasher = FeatureHasher.create();
  const request = fc.record({
    user: fc.constantFrom("ann", "bob"),
    device: fc.constantFrom("phone", "tablet"),
    tags: fc.array(fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    }),
  });
  fc.assert(fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
    const all = idsBySlot(requests);
    const own = idsBySlot(requests.filter(({ user }) => user === "ann"));
    const others = idsBySlot(requests.filter(({ user }) => user !== "ann"));
    const me = BigUint64Array.of(featureIdOf(1, signatureOf("ann")));
    for (const cross of slots.crosses) {
      const idsOf = (slot: number) => slot === 1 ? me : all(slot);
      const found = new Set([...crossIds(cross, idsOf, hasher)].flatMap((ids) => [...ids]));
      assert.equal(found.size, combinationsOf(cross, idsOf));
      for (const id of own(cross.slot)) assert.ok(found.has(id), cross.name);
      for (const id of others(cross.slot)) assert.ok(!found.has(id), cross.name);
    }
  }));
});

Deno.test("a user's id has the signature of its feature ids", () => {
  const own = idsBySlot([{ user: "änn", device: "phone", tags: [["a"]] }]);
  assert.deepEqual([...own(1)], [featureIdOf(1, signatureOf("änn"))]);
});

Deno.test("a cross is complete where each other part outlives it", () => {
  const { crosses } = userSlotsOf(schema, (part) => part !== 3);
  assert.deepEqual(crosses.map(({ isComplete }) => isComplete), [true, false]);
});

Deno.test("a large cross comes in several arrays of ids", () => {
  const items = BigUint64Array.from({ length: 70_000 }, (_, i) => featureIdOf(2, i));
  const [cross] = userSlotsOf(schema, () => true).crosses;
  const idsOf = (slot: number) => slot === 2 ? items : BigUint64Array.of(featureIdOf(1, 77));
  const parts = [...crossIds(cross, idsOf, FeatureHasher.create())];
  assert.deepEqual(parts.map(({ length }) => length), [65_536, 4_464]);
  assert.equal(new Set(parts.flatMap((ids) => [...ids])).size, 70_000);
});
