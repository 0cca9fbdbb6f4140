/** The share of new items, over a running loop. */
import assert from "node:assert/strict";
import type { KeptFeature } from "../../../actors/feature_keeper/options.ts";
import { decodeEvent, type ImpressionRecord } from "../../../records/event_record.ts";
import { Loop } from "../loop.ts";
import { ATTRIBUTE_TYPES, SCHEMA } from "../loop_model.ts";

const shownHour: KeptFeature = {
  kind: "count",
  name: "shown_hour",
  by: "item",
  of: { action: "shown" },
  span: { windowMs: 3_600_000 },
};

/** A loop whose rules can read how often an item was shown within an hour. */
function startLoop(): Promise<Loop> {
  const item = { ...ATTRIBUTE_TYPES.item, shown_hour: "number" as const };
  return Loop.start({
    recommend: {},
    kept: { features: [shownHour] },
    ranker: {
      schema: { ...SCHEMA, keptOfItems: ["shown_hour"] },
      attributeTypes: { ...ATTRIBUTE_TYPES, item },
      topBy: { popular: "shown_hour" },
    },
  });
}

async function impressions(loop: Loop): Promise<ImpressionRecord[]> {
  const records = await loop.eventLog.read(0, 0, 1e6);
  return records.map(({ bytes }) => decodeEvent(bytes))
    .filter((record) => record.kind === "impression");
}

const items = Array.from({ length: 20 }, (_, i) => `i${i}`);
const rules = { newItems: { when: "price > 15", share: 0.25, top: 8 } };

Deno.test("new items get their share, and the log has their positions and chances", async () => {
  const loop = await startLoop();
  for (const [i, id] of items.entries()) await loop.profiles.put("item", id, { price: i });
  let reached = 0;
  for (let i = 0; i < 50; i++) {
    const ranking = await loop.rank("u", items, { limit: 10, rules, rankingId: `r${i}` });
    const isNew = ({ id }: { readonly id: string }) => Number(id.slice(1)) > 15;
    reached += ranking.items.slice(0, 8).filter(isNew).length;
    assert.equal(ranking.items.slice(8).filter(isNew).length, 0);
  }
  assert.equal(reached, 100, "a quarter of 8 positions in each of 50 rankings");
  for (const { newItems = [] } of await impressions(loop)) {
    assert.equal(newItems.length, 2);
    for (const { index, chance } of newItems) assert.ok(index < 8 && chance === 0.5);
  }
  const again = () => loop.rank("u", items, { limit: 10, rules, rankingId: "same", learn: false });
  assert.deepEqual((await again()).items, (await again()).items);
  assert.equal((await impressions(loop)).length, 50, "nothing is logged without learning");
  await loop.stop();
});

Deno.test("an explanation says which items the share moved", async () => {
  const loop = await startLoop();
  for (const [i, id] of items.entries()) await loop.profiles.put("item", id, { price: i });
  const ranking = await loop.rank("u", items, { limit: 4, rules, explain: true });
  const moved = ranking.items.filter(({ moves = [] }) =>
    moves.some(({ rule, from, to }) => rule === "newItems" && from > 4 && to <= 4)
  );
  assert.equal(moved.length, 1);
  assert.ok(Number(moved[0].id.slice(1)) > 15);
  await loop.stop();
});

Deno.test("the caller's own order has no new items that the rule moved", async () => {
  const loop = await startLoop();
  for (const [i, id] of items.entries()) await loop.profiles.put("item", id, { price: i });
  await loop.rank("u", items, { rules, limit: 20, shown: ["i1", "i2"] });
  const [{ newItems }] = await impressions(loop);
  assert.equal(newItems, undefined);
  await loop.stop();
});

Deno.test("recommendations find new items by their impressions, until they were shown often", async () => {
  const loop = await startLoop();
  for (const id of items) await loop.profiles.put("item", id, { price: 1 });
  await loop.mesh.advance(1_000);
  for (let i = 0; i < 5; i++) {
    await loop.rank("u", items);
    await loop.mesh.advance(100);
  }
  const recommend = () =>
    loop.recommend({
      user: "u",
      sources: ["popular"],
      limit: 10,
      rules: { newItems: { when: "shown_hour < 3", share: 0.1 } },
    });
  const ids = (ranking: Awaited<ReturnType<typeof recommend>>) => ranking.items.map(({ id }) => id);
  assert.ok(!ids(await recommend()).includes("fresh"));
  await loop.profiles.put("item", "fresh", { price: 1 });
  await loop.mesh.advance(1_000);
  for (let i = 0; i < 3; i++) {
    const ranking = await recommend();
    const found = ranking.items.find(({ id }) => id === "fresh");
    assert.ok(found !== undefined, `ranking ${i}: ${ids(ranking)}`);
    assert.ok(found.sources?.includes("new"));
    await loop.mesh.advance(1_100); // the list of popular items is made once a second
  }
  const later = await recommend();
  assert.ok(!later.items.some(({ sources }) => sources?.includes("new")), "it is known now");
  await loop.stop();
});

Deno.test("new items are found by stored attributes among many others, and filters hold for them", async () => {
  const loop = await startLoop();
  for (let i = 0; i < 900; i++) {
    await loop.profiles.put("item", `old${i}`, { price: 1, brand: "x" });
  }
  for (const brand of ["x", "y"]) {
    await loop.profiles.put("item", `new-${brand}`, { price: 9, brand });
  }
  await loop.mesh.advance(5_000);
  for (let i = 0; i < 5; i++) {
    const { items } = await loop.recommend({
      user: "u",
      limit: 5,
      candidates: 20,
      rankingId: `q${i}`,
      rules: { filter: ['brand == "x"'], newItems: { when: "price > 5", share: 1, top: 1 } },
    });
    assert.equal(items[0].id, "new-x");
    assert.ok(!items.some(({ id }) => id === "new-y"));
  }
  await loop.stop();
});

Deno.test("without an answer of the keepers no item counts as new", async () => {
  const loop = await startLoop();
  for (const id of items) await loop.profiles.put("item", id, { price: 1 });
  await loop.mesh.advance(1_000);
  await loop.mesh.settle(loop.mesh.node().stopActor("feature_keeper/0", 0));
  const rules = { newItems: { when: "shown_hour < 3", share: 0.5 } };
  const { items: found } = await loop.recommend({ user: "u", sources: ["model"], rules });
  assert.equal(found.length, 10);
  assert.ok(!found.some(({ sources }) => sources?.includes("new")));
  await loop.stop();
});
