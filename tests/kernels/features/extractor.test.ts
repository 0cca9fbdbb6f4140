/** Goal: features follow their definitions. Method: compare with values hashed one at a time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureTypeError } from "../../../kernels/features/errors.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import type { FeatureItem, FeatureRequest } from "../../../kernels/features/feature_request.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";
import { fullSchema, itemArbitrary, requestArbitrary, rowsOf } from "./schemas.ts";

const hasher = FeatureHasher.create();
const slots = fullSchema.slots.length;

/** The id of one value, hashed by itself. */
function idOf(slot: number, value: string | Uint8Array): string {
  const utf8 = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return String(hasher.hash(Uint16Array.of(slot), utf8, Uint32Array.of(0, utf8.length))[0]);
}

/** The id of a combination: of the parts' ids as little-endian bytes. */
function crossOf(slot: number, ...parts: string[]): string {
  const bytes = new Uint8Array(8 * parts.length);
  const view = new DataView(bytes.buffer);
  parts.forEach((part, i) => view.setBigUint64(8 * i, BigInt(part), true));
  return idOf(slot, bytes);
}

function extract(request: FeatureRequest) {
  return rowsOf(new FeatureExtractor(fullSchema, hasher).extract(request), slots);
}

const request: FeatureRequest = {
  user: "u1",
  userAttributes: { age: 41 },
  context: { device: "phone" },
  atMs: Date.UTC(2024, 4, 1, 13, 59),
  items: [
    { id: "m1", fields: { tags: ["a", "ü"], price: 7 } },
    { id: "日本", fields: {} },
  ],
};

Deno.test("the ids of a slot equal the hashes of its single values", () => {
  const [first, second] = extract(request);
  const user = idOf(1, "u1");
  const [a, ue] = [idOf(3, "a"), idOf(3, "ü")];
  const bucket = idOf(5, "6"); // floor(2 · log2(1 + 7)) = 6
  assert.deepEqual(first.ids, [
    [user],
    [idOf(2, "m1")],
    [a, ue],
    [idOf(4, "phone")],
    [bucket],
    [crossOf(6, user, a), crossOf(6, user, ue)],
    [crossOf(7, bucket, a), crossOf(7, bucket, ue)],
    [crossOf(8, user, idOf(4, "phone"))],
    [idOf(9, "13")],
  ]);
  assert.deepEqual(first.dense, [Math.fround(Math.log(8)), 41]);
  assert.deepEqual(second.ids[1], [idOf(2, "日本")]);
});

Deno.test("an absent attribute is an empty list and a dense zero", () => {
  const [, second] = extract(request);
  assert.deepEqual([2, 4, 5, 6].map((slot) => second.ids[slot]), [[], [], [], []]);
  assert.deepEqual(second.dense, [0, 41]);
});

Deno.test("null counts as absent; an unknown user has no id and no crosses", () => {
  const [row] = extract({
    ...request,
    user: "",
    context: { device: null },
    items: [{ id: "m1", fields: { tags: ["a"], price: null } }],
  });
  assert.deepEqual([0, 3, 4, 5, 7].map((slot) => row.ids[slot].length), [0, 0, 0, 0, 0]);
});

Deno.test("values and combinations beyond a slot's limit are left out, in order", () => {
  const [row] = extract({
    ...request,
    items: [{ id: "m", fields: { tags: ["a", "b", "c", "d"], price: 0 } }],
  });
  assert.deepEqual(row.ids[2], ["a", "b", "c"].map((tag) => idOf(3, tag)));
  const bucket = idOf(5, "0");
  assert.deepEqual(row.ids[6], ["a", "b"].map((tag) => crossOf(7, bucket, idOf(3, tag))));
});

Deno.test("numbers and booleans are categories by their text", () => {
  for (const device of [7, true, "7"] as const) {
    const [row] = extract({ ...request, context: { device } });
    assert.deepEqual(row.ids[3], [idOf(4, String(device))]);
  }
});

Deno.test("a wrong type is an error that says where it is and what to send", () => {
  const cases: [Partial<FeatureRequest>, string, RegExp][] = [
    [
      { items: [request.items[0], { id: "x", fields: { tags: "a" } }] },
      "items[1].attributes.tags",
      /it is the string "a", expected a list of strings/,
    ],
    [
      { items: [{ id: "x", fields: { price: "9" } }] },
      "items[0].attributes.price",
      /expected a finite number/,
    ],
    [
      { items: [{ id: "x", fields: { price: NaN } }] },
      "items[0].attributes.price",
      /expected a finite number/,
    ],
    [{ context: { device: ["a"] } }, "context.device", /a string, a number or a boolean/],
    [{ userAttributes: { age: true } }, "user.attributes.age", /expected a number between/],
  ];
  const extractor = new FeatureExtractor(fullSchema, hasher);
  for (const [change, path, message] of cases) {
    assert.throws(() => extractor.extract({ ...request, ...change }), (error) => {
      assert.ok(error instanceof FeatureTypeError);
      assert.equal(error.path, path);
      assert.match(error.message, message);
      return true;
    });
  }
  const after = rowsOf(extractor.extract(request), slots);
  assert.deepEqual(after, extract(request), "a refused request leaves nothing behind");
});

Deno.test("a dense value that is not finite as float32 is an error that names the attribute", () => {
  const extractor = new FeatureExtractor(fullSchema, hasher);
  const cases: [Partial<FeatureRequest>, string][] = [
    [{ items: [{ id: "x", fields: { price: 1e40 } }] }, "items[0].attributes.price"],
    [{ userAttributes: { age: -1e40 } }, "user.attributes.age"],
    [{ userAttributes: { age: 3.4028236e38 } }, "user.attributes.age"],
  ];
  for (const [change, path] of cases) {
    assert.throws(() => extractor.extract({ ...request, ...change }), (error) => {
      assert.ok(error instanceof FeatureTypeError);
      assert.equal(error.path, path);
      assert.match(error.message, /expected a number between -3.4e38 and 3.4e38/);
      return true;
    });
  }
  const { dense } = extractor.extract({ ...request, userAttributes: { age: 3.4e38 } });
  assert.equal(dense[1], 1e4, "the largest number is clipped");
});

Deno.test("names that every object inherits are no attributes", () => {
  const slot = { ...fullSchema.slots[3], attribute: "toString" } as typeof fullSchema.slots[3];
  const schema = { slots: [slot], dense: [], denseWidth: 0 };
  const batch = new FeatureExtractor(schema, hasher).extract(request);
  assert.equal(batch.ids.length, 0);
});

Deno.test("no items give no rows", () => {
  const batch = new FeatureExtractor(fullSchema, hasher).extract({ ...request, items: [] });
  assert.deepEqual([batch.rows, batch.ids.length, batch.dense.length], [0, 0, 0]);
  assert.deepEqual([...batch.listOffsets], [0]);
});

Deno.test("the same request gives the same batch, whatever the extractor made before", () => {
  const used = new FeatureExtractor(fullSchema, hasher);
  fc.assert(fc.property(requestArbitrary, (request) => {
    assert.deepEqual(rowsOf(used.extract(request), slots), extract(request));
  }));
});

Deno.test("features in memory that was given back are those in new memory", () => {
  const used = new FeatureExtractor(fullSchema, hasher);
  const buffers = new Set<ArrayBufferLike>();
  let batches = 0;
  fc.assert(fc.property(requestArbitrary, (request) => {
    const batch = used.extract(request);
    assert.deepEqual(rowsOf(batch, slots), extract(request));
    batches++;
    buffers.add(batch.ids.buffer);
    new Uint8Array(batch.ids.buffer).fill(0xff);
    used.giveBack(batch);
  }));
  assert.ok(buffers.size < batches, "memory was taken again");
});

Deno.test("permuting the items permutes the rows", () => {
  const shuffled = requestArbitrary.chain((request) =>
    fc.shuffledSubarray(request.items.map((_, i) => i), {
      minLength: request.items.length,
      maxLength: request.items.length,
    }).map((order) => ({ request, order }))
  );
  fc.assert(fc.property(shuffled, ({ request, order }) => {
    const rows = extract(request);
    const permuted = extract({ ...request, items: order.map((i) => request.items[i]) });
    assert.deepEqual(permuted, order.map((i) => rows[i]));
  }));
});

Deno.test("a row does not depend on the others", () => {
  fc.assert(fc.property(requestArbitrary, itemArbitrary, (request, item) => {
    const [alone] = extract({ ...request, items: [item] });
    assert.deepEqual(extract({ ...request, items: [...request.items, item] }).at(-1), alone);
  }));
});

Deno.test("all rows of a request have the same ids in the shared slots, which are those without an item", () => {
  const extractor = new FeatureExtractor(fullSchema, hasher);
  const { sharedSlots } = extractor;
  const names = sharedSlots.map((slot) => fullSchema.slots[slot].name);
  assert.deepEqual(names.sort(), ["device", "hour", "user", "user_device"]);
  fc.assert(fc.property(requestArbitrary, (request) => {
    const rows = rowsOf(extractor.extract(request), slots);
    for (const { ids } of rows) {
      for (const slot of sharedSlots) assert.deepEqual(ids[slot], rows[0].ids[slot]);
    }
  }));
});

Deno.test("a cached item gives the same row as an uncached one", () => {
  // The stored attributes depend on the id.
  const storedRequests = fc.tuple(requestArbitrary, requestArbitrary).map((requests) =>
    requests.map((request) => ({
      ...request,
      items: request.items.map(({ id, fields }) => ({ id: JSON.stringify([id, fields]) })),
    }))
  );
  const storedItems = (ids: readonly string[]) => ids.map((id) => JSON.parse(id)[1]);
  const sizes = fc.constantFrom(0, 4096, 8192, 2 ** 20);
  fc.assert(fc.property(storedRequests, sizes, ([one, two], itemCacheBytesMax) => {
    const keeping = new FeatureExtractor(fullSchema, hasher, { storedItems, itemCacheBytesMax });
    for (const request of [one, two, one, two]) {
      const fresh = new FeatureExtractor(fullSchema, hasher, { storedItems });
      assert.deepEqual(
        rowsOf(keeping.extract(request), slots),
        rowsOf(fresh.extract(request), slots),
      );
    }
  }));
});

Deno.test("stored attributes are read once until they change, and fields of a request precede them", () => {
  let tags = ["a"];
  const asked: string[] = [];
  const extractor = new FeatureExtractor(fullSchema, hasher, {
    storedItems: (ids) => {
      asked.push(...ids);
      return ids.map((id) => id === "m" ? { tags, price: 1 } : undefined);
    },
    itemCacheBytesMax: 2 ** 16,
  });
  const rowOf = (...items: FeatureItem[]) =>
    rowsOf(extractor.extract({ ...request, items }), slots).at(-1)!;
  assert.deepEqual(rowOf({ id: "m" }).ids[2], [idOf(3, "a")]);
  tags = ["b"];
  assert.deepEqual(rowOf({ id: "new" }, { id: "m" }).ids[2], [idOf(3, "a")]);
  assert.deepEqual(asked, ["m", "new"]);
  extractor.invalidate("m");
  assert.deepEqual(rowOf({ id: "new" }, { id: "m" }).ids[2], [idOf(3, "b")]);
  const own = rowOf({ id: "m", fields: { tags: ["c"] } });
  assert.deepEqual(own.ids[2], [idOf(3, "c")]);
  assert.deepEqual(own.dense, [Math.fround(Math.log(2)), 41], "the stored price stays");
  assert.deepEqual(rowOf({ id: "m" }).ids[2], [idOf(3, "b")], "own fields are not kept");
  assert.deepEqual(asked, ["m", "new", "m", "m"]);
});

Deno.test("readsUsers is true only where an attribute of the user is read", () => {
  const readsUsers = (schema: Partial<FeatureSchema>) =>
    new FeatureExtractor({ slots: [], dense: [], denseWidth: 0, ...schema }, hasher).readsUsers;
  const [user, item, tags, device] = fullSchema.slots;
  assert.equal(readsUsers({ slots: [user, item, tags, device] }), false);
  assert.equal(readsUsers({ slots: [{ ...device, source: "user" } as typeof device] }), true);
  assert.equal(readsUsers({ dense: [fullSchema.dense[0]], denseWidth: 1 }), false);
  assert.equal(readsUsers({ dense: [fullSchema.dense[1]], denseWidth: 1 }), true);
});

Deno.test("only items whose stored attributes would be read are not cached", () => {
  const extractor = new FeatureExtractor(fullSchema, hasher, { itemCacheBytesMax: 2 ** 16 });
  const items = [{ id: "a" }, { id: "b" }, { id: "c", fields: { tags: ["x"] } }];
  assert.deepEqual(extractor.itemsNotCached(items), ["a", "b", "c"]);
  extractor.extract({ ...request, items });
  assert.deepEqual(extractor.itemsNotCached(items), ["c"], "its own fields are not kept");
  extractor.invalidate("b");
  assert.deepEqual(extractor.itemsNotCached(items), ["b", "c"]);
  extractor.invalidateAll();
  assert.deepEqual(extractor.itemsNotCached(items), ["a", "b", "c"]);
  const byId = { ...fullSchema, dense: [], slots: fullSchema.slots.filter(isItemId) };
  assert.deepEqual(new FeatureExtractor(byId, hasher).itemsNotCached(items), []);
});

function isItemId(slot: FeatureSchema["slots"][number]): boolean {
  return slot.kind === "id" && slot.source === "item";
}
