import assert from "node:assert/strict";
import fc from "fast-check";
import { orderByScore } from "../../actors/ranker/ranked_items.ts";
import { applyRules, movesOf, type ScoredItems } from "../../rules/apply_rules.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";
import { RuleCompiler } from "../../rules/compiled_rules.ts";
import { mergedRules, type RuleSet } from "../../rules/rule_set.ts";

const types: AttributeTypes = {
  item: { price: "number", brand: "text", tags: "texts" },
  user: {},
  context: {},
};
const ids = ["a", "b", "c", "d", "e"];
const items: ScoredItems = {
  rankingId: "r",
  ids,
  scores: [0.9, 0.8, 0.7, 0.6, 0.5],
  attributes: [
    { price: 10, brand: "x", tags: ["new"] },
    { price: 20, brand: "x", tags: ["new", "red"] },
    { price: 30, brand: "x" },
    { price: 40, brand: "y", tags: ["red"] },
    { price: 50 },
  ],
  user: {},
  context: {},
  nowMs: 0,
};

function apply(rules: RuleSet, change: Partial<ScoredItems> = {}) {
  const compiled = new RuleCompiler(types).compile(rules);
  const order = applyRules({ ...items, ...change }, compiled, orderByScore);
  return { order, shown: [...order.rows].map((row) => ids[row]).join("") };
}

Deno.test("a filter leaves items out, and says so", () => {
  const { order, shown } = apply({ filter: ["price < 45", "price > 15"] });
  assert.equal(shown, "bcd");
  assert.deepEqual(order.removed, [{ row: 0, by: "filter" }, { row: 4, by: "filter" }]);
});

Deno.test("boosts multiply, and raise negative scores too", () => {
  const boost = [{ when: "price > 35", factor: 2 }, { when: "price > 45", factor: 2 }];
  assert.equal(apply({ boost }).shown, "edabc");
  const negative = apply({ boost }, { scores: [-0.9, -0.8, -0.7, -0.6, -0.5] });
  assert.equal(negative.shown, "edcba");
  assert.equal(apply({ boost: [{ when: "price < 15", factor: 0.1 }] }).shown, "bcdea");
});

Deno.test("a diversity cap moves items of a full value behind the first positions", () => {
  assert.equal(apply({ diversity: { kind: "cap", by: "brand", max: 1 } }).shown, "adebc");
  assert.equal(apply({ diversity: { kind: "cap", by: "brand", max: 2, top: 3 } }).shown, "abdce");
  assert.equal(apply({ diversity: { kind: "cap", by: "tags", max: 1 } }).shown, "acdeb");
});

Deno.test("pins are at their positions, or last where there are fewer items", () => {
  const pin = [{ item: "e", position: 1 }, { item: "a", position: 3 }];
  assert.equal(apply({ pin }).shown, "ebacd");
  assert.equal(apply({ pin: [{ item: "a", position: 400 }] }).shown, "bcdea");
  assert.equal(apply({ filter: ["price < 45"], pin }).shown, "bcad", "e is filtered");
  assert.equal(apply({ pin: [{ item: "other", position: 1 }] }).shown, "abcde");
});

Deno.test("excluded items leave, and rotated ones lose their share of the score", () => {
  const rotation = { withinMs: 1, penalty: 0.5 };
  const rotated = Uint8Array.from([1, 0, 0, 0, 0]);
  assert.equal(apply({ rotation }, { rotated }).shown, "bcdea");
  assert.equal(apply({ rotation: { ...rotation, penalty: 1 } }, { rotated }).shown, "bcdea");
  const excluded = apply({}, { excluded: Uint8Array.from([0, 1, 0, 0, 0]) });
  assert.equal(excluded.shown, "acde");
  assert.deepEqual(excluded.order.removed, [{ row: 1, by: "exclude" }]);
});

Deno.test("the moves of an item name each rule that changed its position", () => {
  const { order } = apply({
    boost: [{ when: "price > 45", factor: 1.5 }],
    diversity: { kind: "cap", by: "brand", max: 1 },
    pin: [{ item: "d", position: 1 }],
  });
  assert.equal([...order.rows].map((row) => ids[row]).join(""), "daebc");
  assert.deepEqual(movesOf(4, order), [
    { rule: "boost", from: 5, to: 3, boosts: [0] },
    { rule: "diversity", from: 3, to: 2 },
    { rule: "pin", from: 2, to: 3 },
  ]);
  assert.deepEqual(
    movesOf(1, order),
    [
      { rule: "diversity", from: 2, to: 4 },
      { rule: "pin", from: 4, to: 4 },
    ].slice(0, 1),
  );
});

const fresh = { when: "price > 35", share: 0.5 };

Deno.test("new items get their share of the positions that are shown", () => {
  const { order, shown } = apply({ newItems: fresh }, { limit: 2 });
  const raised = order.newItems?.moved.map(({ row }) => ids[row]) ?? [];
  assert.equal(raised.length, 1);
  assert.ok(["d", "e"].includes(raised[0]) && shown.slice(0, 2).includes(raised[0]), shown);
  assert.equal(apply({ newItems: fresh }).shown, "abcde", "of all positions they have 2 of 5");
  const { steps } = order;
  assert.deepEqual(steps.map(({ by }) => by), ["score", "newItems"]);
});

Deno.test("a pin keeps its position from new items, and takes none of theirs", () => {
  const pin = [{ item: "b", position: 1 }];
  const { order, shown } = apply({ newItems: { ...fresh, share: 1 }, pin }, { limit: 3 });
  assert.equal(shown[0], "b");
  assert.deepEqual([...shown.slice(1, 3)].sort(), ["d", "e"]);
  assert.equal(order.newItems?.positions, 2);
  const full = apply({ newItems: fresh, pin }, { limit: 1 });
  assert.deepEqual([full.shown, full.order.newItems?.moved], ["bacde", []]);
});

Deno.test("new items keep within a diversity cap", () => {
  const brands = ["x", "x", "y", "y", "z"];
  const attributes = items.attributes?.map((each, i) => ({ ...each, brand: brands[i] })) ?? [];
  for (let i = 0; i < 50; i++) {
    const { order, shown } = apply({
      newItems: { ...fresh, share: 1 },
      diversity: { kind: "cap", by: "brand", max: 1, top: 3 },
    }, { attributes, limit: 3, rankingId: `r${i}` });
    const first = [...order.rows.subarray(0, 3)].map((row) => brands[row]);
    assert.equal(new Set(first).size, 3, shown);
  }
});

Deno.test("a raised new item breaks no cap on more positions than new items have a share of", () => {
  const cases = fc.record({
    brands: fc.array(fc.constantFrom("x", "y", "z"), { minLength: 5, maxLength: 5 }),
    newTop: fc.integer({ min: 1, max: 5 }),
    capTop: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    limit: fc.integer({ min: 1, max: 5 }),
    max: fc.integer({ min: 1, max: 2 }),
    rankingId: fc.string({ minLength: 1, maxLength: 4 }),
  });
  fc.assert(fc.property(cases, ({ brands, newTop, capTop, limit, max, rankingId }) => {
    const attributes = items.attributes?.map((each, i) => ({ ...each, brand: brands[i] })) ?? [];
    const diversity = { kind: "cap", by: "brand", max, ...(capTop && { top: capTop }) } as const;
    const most = (rows: Uint32Array) => {
      const first = [...rows.subarray(0, Math.min(capTop ?? limit, limit))];
      const counts = ["x", "y", "z"].map((brand) =>
        first.filter((row) => brands[row] === brand).length
      );
      return Math.max(max, ...counts);
    };
    const without = apply({ diversity }, { attributes, limit, rankingId });
    const { order, shown } = apply({
      newItems: { ...fresh, share: 1, top: newTop },
      diversity,
    }, { attributes, limit, rankingId });
    assert.ok(most(order.rows) <= most(without.order.rows), shown);
  }));
});

Deno.test("a raised new item lets no item up that the cap has no room for", () => {
  const brands = ["y", "x", "z", "x", "z"];
  const attributes = items.attributes?.map((each, i) => ({ ...each, brand: brands[i] })) ?? [];
  for (let i = 0; i < 50; i++) {
    const { order, shown } = apply({
      newItems: { ...fresh, share: 1, top: 4 },
      diversity: { kind: "cap", by: "brand", max: 1, top: 3 },
    }, { attributes, limit: 4, rankingId: `r${i}` });
    const first = [...order.rows.subarray(0, 3)].map((row) => brands[row]);
    assert.equal(new Set(first).size, 3, shown);
  }
});

Deno.test("new items that were just shown, filtered or excluded are not raised", () => {
  const all = { newItems: { ...fresh, share: 1 } };
  const rotation = { withinMs: 1, penalty: 0.9 };
  const rotated = Uint8Array.from([0, 0, 0, 1, 0]);
  const { order } = apply({ ...all, rotation }, { limit: 2, rotated });
  assert.deepEqual(order.newItems?.moved.map(({ row }) => ids[row]), ["e"]);
  assert.equal(order.newItems?.missing, 1);
  const excluded = apply({ ...all, filter: ["price < 45"] }, {
    limit: 2,
    excluded: Uint8Array.from([0, 0, 0, 1, 0]),
  });
  assert.deepEqual(excluded.order.newItems?.moved, []);
  assert.equal(excluded.shown, "abc");
});

Deno.test("rules of a request add to those of a scenario, and win over its pins", () => {
  const merged = mergedRules(
    { filter: ["price > 1"], pin: [{ item: "a", position: 1 }, { item: "b", position: 2 }] },
    { filter: ["price < 9"], pin: [{ item: "b", position: 1 }] },
  );
  assert.deepEqual(merged.filter, ["price > 1", "price < 9"]);
  assert.deepEqual(merged.pin, [{ item: "b", position: 1 }]);
});

Deno.test("whatever the rules, each item is either ordered or removed, once", () => {
  const rules = fc.record({
    filter: fc.subarray(["price < 35", "price > 15", "has(tags)"]),
    boost: fc.array(fc.record({
      when: fc.constantFrom("price > 25", '"new" in tags'),
      factor: fc.double({ min: 0.01, max: 100, noNaN: true }),
    })),
    newItems: fc.record({
      when: fc.constantFrom("price > 25", "price < 15"),
      share: fc.double({ min: 0.01, max: 1, noNaN: true }),
      top: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
    }),
    diversity: fc.record({
      kind: fc.constant("cap" as const),
      by: fc.constantFrom("brand", "tags"),
      max: fc.integer({ min: 1, max: 3 }),
      top: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
    }),
    pin: fc.uniqueArray(
      fc.record({ item: fc.constantFrom(...ids), position: fc.integer({ min: 1, max: 9 }) }),
      { selector: ({ item }) => item },
    ),
  });
  fc.assert(fc.property(rules, (each) => {
    const { order } = apply(each);
    const rows = [...order.rows, ...order.removed.map(({ row }) => row)];
    assert.deepEqual(rows.sort(), [0, 1, 2, 3, 4]);
  }));
});
