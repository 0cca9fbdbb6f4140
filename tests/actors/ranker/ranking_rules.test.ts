/** Rules in the ranker, over a running loop. */
import assert from "node:assert/strict";
import { decodeEvent, itemsShown } from "../../../records/event_record.ts";
import { Loop } from "../loop.ts";
import { ATTRIBUTE_TYPES, SCHEMA } from "../loop_model.ts";

const items = ["a", "b", "c", "d"];

async function shop(): Promise<Loop> {
  const loop = await Loop.start();
  await loop.profiles.put("item", "a", { price: 10, brand: "x" });
  await loop.profiles.put("item", "b", { price: 20, brand: "x" });
  await loop.profiles.put("item", "c", { price: 30, brand: "y" });
  await loop.profiles.put("user", "u", { brand: "y" });
  return loop;
}

Deno.test("rules read stored attributes, those of the request precede, and the log has the order shown", async () => {
  const loop = await shop();
  const { items: shown } = await loop.rank("u", items, {
    candidates: [{ id: "a" }, { id: "b", fields: { price: 99 } }, { id: "c" }, { id: "d" }],
    rules: { filter: ["price < 50"], boost: [{ when: "brand == user.brand", factor: 5 }] },
  });
  assert.deepEqual(shown.map(({ id }) => id), ["c", "a"]);
  const [{ bytes }] = await loop.eventLog.read(0, 0, 1);
  const record = decodeEvent(bytes);
  assert.ok(record.kind === "impression");
  assert.deepEqual(itemsShown(record), ["c", "a"]);
  await loop.stop();
});

Deno.test("rules read kept numbers of items from the keepers, not from the request or the store", async () => {
  const item = { ...ATTRIBUTE_TYPES.item, clicks_hour: "number" as const };
  const loop = await Loop.start({
    kept: {
      features: [{
        kind: "count",
        name: "clicks_hour",
        by: "item",
        of: { action: "click" },
        span: { windowMs: 3_600_000 },
      }],
    },
    ranker: {
      schema: { ...SCHEMA, keptOfItems: ["clicks_hour"] },
      attributeTypes: { ...ATTRIBUTE_TYPES, item },
    },
  });
  await loop.profiles.put("item", "b", { clicks_hour: 50 });
  const { items: shown } = await loop.rank("u", items, {
    candidates: [{ id: "a", fields: { clicks_hour: 50 } }, { id: "b" }, { id: "c" }],
    rules: { filter: ["!has(clicks_hour) || clicks_hour < 1"] },
  });
  assert.deepEqual(shown.map(({ id }) => id).sort(), ["a", "b", "c"]);
  await loop.stop();
});

Deno.test("a ranking without the user's history says which rules were not applied", async () => {
  const rules = {
    exclude: [{ what: "click", withinMs: 60_000 }],
    rotation: { withinMs: 60_000, penalty: 0.5 },
    filter: ["price < 50"],
  };
  const clicks = { kind: "history", name: "clicks", of: { action: "click" }, last: 2 } as const;
  const [none, some] = [
    await Loop.start(),
    await Loop.start({ kept: { features: [clicks] } }),
  ];
  assert.deepEqual((await none.rank("u", items, { rules })).rulesSkipped, ["exclude", "rotation"]);
  const { rulesSkipped } = await none.rank("u", items, { rules: { filter: rules.filter } });
  assert.equal(rulesSkipped, undefined, "no rule reads the history");
  assert.equal((await none.rank("", items, { rules })).rulesSkipped, undefined, "it has no user");
  assert.equal((await some.rank("u", items, { rules })).rulesSkipped, undefined);
  for (const loop of [none, some]) await loop.stop();
});

Deno.test("an explanation has the moves of each item and the items left out", async () => {
  const loop = await shop();
  const ranking = await loop.rank("u", items, {
    explain: true,
    rules: {
      filter: ["has(price)"],
      boost: [{ when: "price > 25", factor: 3 }],
      pin: [{ item: "b", position: 1 }],
    },
  });
  assert.deepEqual(ranking.items.map(({ id, moves }) => ({ id, moves })), [
    { id: "b", moves: [{ rule: "boost", from: 2, to: 3 }, { rule: "pin", from: 3, to: 1 }] },
    {
      id: "c",
      moves: [
        { rule: "boost", from: 3, to: 1, boosts: ["price > 25"] },
        { rule: "pin", from: 1, to: 2 },
      ],
    },
    { id: "a", moves: [{ rule: "boost", from: 1, to: 2 }, { rule: "pin", from: 2, to: 3 }] },
  ]);
  assert.deepEqual(ranking.removed, [{ id: "d", by: "filter" }]);
  await loop.stop();
});

Deno.test("a ranking without items is answered and not logged", async () => {
  const loop = await shop();
  const ranking = await loop.rank("u", items, { explain: true, rules: { filter: ["price > 99"] } });
  assert.deepEqual(ranking.items, []);
  assert.equal(await loop.eventLog.endOffset(0), 0);
  await loop.stop();
});

Deno.test("marginal relevance begins with the best item and keeps all items", async () => {
  const loop = await Loop.start();
  const candidates = ["p", "q", "r"].map((id, i) => ({
    id,
    fields: { tags: i < 2 ? ["same"] : ["other"] },
  }));
  for (let round = 0; round < 12; round++) {
    const { rankingId } = await loop.rank("u", [], { candidates, limit: 3 });
    for (const { id } of candidates) await loop.act(rankingId, id, "click");
    await loop.mesh.advance(1_000);
  }
  const plain = await loop.rank("u", [], { candidates, limit: 3 });
  const spread = await loop.rank("u", [], {
    candidates,
    limit: 3,
    rules: { diversity: { kind: "mmr", lambda: 0 } },
  });
  assert.equal(spread.items[0].id, plain.items[0].id);
  assert.equal(new Set(spread.items.map(({ id }) => id)).size, 3);
  await loop.stop();
});
