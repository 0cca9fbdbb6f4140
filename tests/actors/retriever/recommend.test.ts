/** Recommendations over a running loop: catalogue, retriever, scorer, ranker. */
import assert from "node:assert/strict";
import { decodeEvent, itemsShown } from "../../../records/event_record.ts";
import type { KeptFeature } from "../../../actors/feature_keeper/options.ts";
import type { Ranking } from "../../../actors/ranker/protocol.ts";
import type { RetrieverMessage } from "../../../actors/retriever/protocol.ts";
import { Loop } from "../loop.ts";
import type { LoopOptions } from "../loop_options.ts";

const ids = (ranking: Ranking) => ranking.items.map(({ id }) => id);

/** Clicks on an item in the last hour, by which items are popular. */
const clicks: KeptFeature = {
  kind: "count",
  name: "clicks",
  by: "item",
  of: { action: "click" },
  span: { windowMs: 3_600_000 },
};

/** A shop of 40 items, red and blue; ann clicks red ones. */
async function shop(options: LoopOptions = {}): Promise<Loop> {
  const loop = await Loop.start({ recommend: {}, ...options });
  const tagsOf = (i: number) => [i % 2 === 0 ? "red" : "blue"];
  for (let i = 0; i < 40; i++) {
    await loop.profiles.put("item", `i${i}`, { tags: tagsOf(i), price: i });
  }
  await loop.mesh.advance(1_000);
  return loop;
}

async function learn(loop: Loop): Promise<void> {
  const candidates = Array.from({ length: 40 }, (_, i) => ({ id: `i${i}` }));
  for (let round = 0; round < 12; round++) {
    const { rankingId } = await loop.rank("ann", [], { candidates, limit: 40 });
    for (let i = 0; i < 40; i += 2) await loop.act(rankingId, `i${i}`, "click");
    await loop.mesh.advance(11_000);
  }
  await loop.mesh.advance(3_000);
}

Deno.test("a user gets the items that the model has learned to prefer, and the log has them", async () => {
  const loop = await shop();
  await learn(loop);
  const ranking = await loop.recommend({ user: "ann", limit: 10, candidates: 12 });
  assert.equal(ranking.items.length, 10);
  assert.ok(ids(ranking).every((id) => Number(id.slice(1)) % 2 === 0), String(ids(ranking)));
  assert.ok(ranking.items.every(({ sources }) => sources?.join() === "model"));
  const scores = ranking.items.map(({ score }) => score);
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a));
  const records = await loop.eventLog.read(0, 0, 10_000);
  const impression = records.map(({ bytes }) => decodeEvent(bytes)).at(-1)!;
  assert.ok(impression.kind === "impression" && impression.rankingId === ranking.rankingId);
  assert.deepEqual(itemsShown(impression), ids(ranking));
  await loop.stop();
});

Deno.test("similar items are those with the nearest vectors, without the item itself", async () => {
  const loop = await shop();
  await learn(loop);
  const ranking = await loop.similar("i4", { limit: 15 });
  const red = ids(ranking).filter((id) => Number(id.slice(1)) % 2 === 0);
  assert.ok(red.length >= 14, `${red.length} of 15 share the tag`);
  assert.ok(!ids(ranking).includes("i4"));
  const similarities = ranking.items.map(({ similarity }) => similarity!);
  assert.deepEqual(similarities, [...similarities].sort((a, b) => b - a));
  const byScore = await loop.similar("i4", { limit: 15, orderBy: "score", user: "ann" });
  const scores = byScore.items.map(({ score }) => score);
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a));
  await assert.rejects(loop.similar("unknown"), { name: "UnknownItemError" });
  await loop.stop();
});

Deno.test("filters hold for every candidate: those of the item, of the user and of both", async () => {
  const loop = await shop();
  await loop.profiles.put("user", "ann", { brand: "x" });
  await loop.profiles.put("item", "i7", { tags: ["blue"], price: 7, brand: "x" });
  await loop.mesh.advance(1_000);
  const filtered = async (...filter: string[]) =>
    ids(await loop.recommend({ user: "ann", limit: 50, rules: { filter } }))
      .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  assert.deepEqual(await filtered("price < 3"), ["i0", "i1", "i2"]);
  assert.deepEqual(await filtered("price < 3", '"red" in tags'), ["i0", "i2"]);
  assert.deepEqual(await filtered("brand == user.brand"), ["i7"]);
  const few = await loop.recommend({
    user: "ann",
    sources: ["model"],
    candidates: 2,
    limit: 2,
    rules: { filter: ["brand == user.brand"] },
  });
  assert.deepEqual(ids(few), ["i7"], "also beyond the items that a search finds first");
  assert.deepEqual(await filtered("price > 100"), []);
  await loop.profiles.put("item", "i39", { tags: ["red"], price: 1 });
  await loop.mesh.advance(1_000);
  assert.deepEqual(await filtered("price < 3"), ["i0", "i1", "i2", "i39"], "the bitmap followed");
  await loop.stop();
});

Deno.test("a stored, changed or deleted item is followed within a second", async () => {
  const loop = await shop();
  const has = async (id: string) =>
    ids(await loop.recommend({ user: "u", limit: 100 })).includes(id);
  assert.equal(await has("new"), false);
  await loop.profiles.put("item", "new", { tags: ["red"] });
  await loop.mesh.advance(1_000);
  assert.equal(await has("new"), true);
  await loop.profiles.delete("item", "new");
  await loop.mesh.advance(1_000);
  assert.equal(await has("new"), false);
  await loop.stop();
});

Deno.test("the newest items come first from their source, and one item has both sources", async () => {
  const loop = await shop();
  const recent = await loop.recommend({ user: "u", sources: ["recent"], candidates: 3 });
  assert.deepEqual(ids(recent).sort(), ["i37", "i38", "i39"]);
  const both = await loop.recommend({
    user: "u",
    sources: ["model", "recent"],
    candidates: 40,
    limit: 40,
  });
  assert.equal(new Set(ids(both)).size, 40);
  assert.ok(both.items.every(({ sources }) => sources?.join() === "model,recent"));
  await loop.stop();
});

Deno.test("a pinned item is recommended although no source found it", async () => {
  const loop = await shop();
  const pin = [{ item: "i5", position: 1 }, { item: "not-stored", position: 2 }];
  const ranking = await loop.recommend({
    user: "u",
    sources: ["recent"],
    candidates: 3,
    rules: { pin },
  });
  assert.deepEqual(ids(ranking)[0], "i5");
  assert.deepEqual(ranking.items[0].sources, []);
  assert.equal(ranking.items.length, 4);
  await loop.stop();
});

Deno.test("an item that is deleted while the catalogue is down is deleted when it is up again", async () => {
  const loop = await shop();
  await loop.restart("catalogue/0", () => loop.profiles.delete("item", "i7"));
  await loop.mesh.advance(2_000);
  const found = ids(await loop.recommend({ user: "u", limit: 100 }));
  assert.equal(found.length, 39);
  assert.ok(!found.includes("i7"));
  await loop.stop();
});

Deno.test("a retriever that restarts gets all items again", async () => {
  const loop = await shop();
  const retriever = loop.mesh.node().actorRef<RetrieverMessage>("retriever/0");
  const isComplete = async () => {
    const asked = retriever.ask({ kind: "getState" }, { budgetMs: 1_000 });
    return (await loop.mesh.settle(asked)).isComplete;
  };
  await loop.restart("retriever/0");
  assert.equal(await isComplete(), false);
  await assert.rejects(loop.similar("i7"), { name: "ItemsUnreadError" });
  await loop.mesh.advance(3_000);
  assert.equal(await isComplete(), true);
  assert.equal((await loop.recommend({ user: "u", limit: 100 })).items.length, 40);
  await loop.stop();
});

Deno.test("items beyond the bound are left out, and those within it are served", async () => {
  const loop = await shop({ recommend: { itemsMax: 10 } });
  assert.equal((await loop.recommend({ user: "u", limit: 100 })).items.length, 10);
  await loop.stop();
});

Deno.test("an item whose attributes no feature can read is left out, from whatever source", async () => {
  const loop = await shop();
  await loop.profiles.put("item", "odd", { tags: 7, price: 100 });
  await loop.mesh.advance(1_000);
  const ranking = await loop.recommend({ user: "u", limit: 100 });
  assert.equal(ranking.items.length, 40);
  const recent = await loop.recommend({ user: "u", sources: ["recent"], candidates: 3 });
  assert.deepEqual(ids(recent).sort(), ["i38", "i39"]);
  const none = await loop.recommend({ user: "u", sources: ["recent"], candidates: 1 });
  assert.deepEqual(ids(none), []);
  await loop.stop();
});

Deno.test("without a retriever a recommendation is refused", async () => {
  const loop = await Loop.start();
  await assert.rejects(loop.recommend({ user: "u" }), { name: "RecommendOffError" });
  await loop.stop();
});

Deno.test("no stored items give an answer without items", async () => {
  const loop = await Loop.start({ recommend: {} });
  const ranking = await loop.recommend({ user: "u", explain: true });
  assert.deepEqual(ranking.items, []);
  assert.equal(await loop.eventLog.endOffset(0), 0);
  await loop.stop();
});

Deno.test("popular items come from a kept feature, and an item may have several sources", async () => {
  const loop = await shop({
    kept: { features: [clicks] },
    ranker: { topBy: { popular: "clicks" } },
  });
  const { rankingId } = await loop.rank("ann", ["i3", "i9", "i11"]);
  await loop.act(rankingId, "i9", "click");
  await loop.act(rankingId, "i3", "click");
  await loop.mesh.advance(100);
  const popular = await loop.recommend({ user: "u", sources: ["popular"] });
  assert.deepEqual(ids(popular).sort(), ["i3", "i9"]);
  const both = await loop.recommend({ user: "u", sources: ["model", "popular"], limit: 40 });
  const sourcesOf = (id: string) => both.items.find((item) => item.id === id)?.sources;
  assert.deepEqual(sourcesOf("i9"), ["model", "popular"]);
  assert.deepEqual(sourcesOf("i8"), ["model"]);

  await loop.profiles.delete("item", "i9");
  await loop.mesh.advance(2_000);
  assert.deepEqual(ids(await loop.recommend({ user: "u", sources: ["popular"] })), ["i3"]);
  await loop.stop();
});

Deno.test("a recommendation goes on without popular items while the keeper is away", async () => {
  const loop = await shop({
    kept: { features: [clicks] },
    ranker: { topBy: { popular: "clicks" } },
  });
  await loop.mesh.settle(loop.mesh.node().stopActor("feature_keeper/0", 0));
  const found = await loop.recommend({ user: "u", sources: ["model", "popular"] });
  assert.equal(found.items.length, 10);
  assert.deepEqual(ids(await loop.recommend({ user: "u", sources: ["popular"] })), []);
  await loop.stop();
});

Deno.test("a kept history is a source, and moves the search towards items like it", async () => {
  const loop = await shop({
    kept: { features: [{ kind: "history", name: "clicked", of: { action: "click" }, last: 5 }] },
    ranker: { historyBy: "clicked" },
  });
  const { rankingId } = await loop.rank("ann", ["i3", "i9", "gone"]);
  for (const item of ["i3", "i9", "gone"]) await loop.act(rankingId, item, "click");
  await loop.mesh.advance(100);
  const again = await loop.recommend({ user: "ann", sources: ["history"] });
  assert.deepEqual(ids(again).sort(), ["i3", "i9"], "an item that is not stored is left out");
  assert.deepEqual(again.items[0].sources, ["history"]);
  assert.deepEqual(ids(await loop.recommend({ user: "bob", sources: ["history"] })), []);
  await loop.stop();
});

Deno.test("a new item is recommended while no replica of a shard answers, and waits for its rows", async () => {
  const loop = await shop();
  const retriever = loop.mesh.node().actorRef<RetrieverMessage>("retriever/0");
  const state = async () => {
    const asked = retriever.ask({ kind: "getState" }, { budgetMs: 1_000 });
    const { embedded, waiting } = await loop.mesh.settle(asked);
    return { embedded, waiting };
  };
  for (const key of [0, 1]) await loop.stopReplica(key);
  await loop.profiles.put("item", "new", { tags: ["red"], price: 1 });
  await loop.mesh.advance(3_000);
  assert.deepEqual(await state(), { embedded: 41, waiting: 1 });
  for (const key of [0, 1]) await loop.startReplica(key);
  await loop.mesh.advance(3_000);
  assert.deepEqual(await state(), { embedded: 41, waiting: 0 });
  await loop.stop();
});
