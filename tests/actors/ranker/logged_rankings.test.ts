/**
 * Goal: a ranking is in the log, and known to the other gateways, before it is answered.
 */
import assert from "node:assert/strict";
import {
  LateAppendError,
  LogFullError,
  LogTailLostError,
  LogUnavailableError,
} from "../../../mesh/ports/event_log.ts";
import {
  LOGGED_LATE_ITEM,
  type RankingRecord,
  type SharedRankings,
  UNLOGGED_ITEM,
} from "../../../mesh/ports/shared_rankings.ts";
import { Loop } from "../loop.ts";
import { impressions, rowsOf } from "./logged_impressions.ts";

Deno.test("the log has the impression, with the shown items only, before the answer", async () => {
  const loop = await Loop.start();
  const ranking = await loop.rank("user-0", ["a", "b", "c"], { limit: 2, rankingId: "mine" });
  assert.equal(ranking.rankingId, "mine");
  assert.equal(ranking.items.length, 2);
  const [impression] = await impressions(loop);
  const shown = rowsOf(impression);
  assert.deepEqual(shown.items(), ranking.items.map(({ id }) => id));
  assert.equal(impression.user, "user-0");
  assert.deepEqual(
    [0, 1].map((row) => shown.prediction(row)),
    ranking.items.map(({ score }) => score),
  );
  assert.deepEqual(Object.keys(ranking.items[0]), ["id", "score", "cold"]); // one task
  const { listOffsets } = shown.features();
  const userItemNoTags = [0, 1, 2, 2, 3, 4, 4]; // of two rows
  assert.deepEqual([...listOffsets.subarray(0, 7)], userItemNoTags);
  await loop.stop();
});

Deno.test("rankings of one moment are logged with the features of their own items", async () => {
  const loop = await Loop.start();
  const tagsOf = (ranking: number, item: number) => [`${ranking}`, `${ranking * item}`];
  const rank = (ranking: number) =>
    loop.requestRanking(`user-${ranking}`, [], {
      rankingId: `${ranking}`,
      limit: 7,
      candidates: Array.from({ length: 1 + ranking % 7 }, (_, item) => ({
        id: `item-${ranking}-${item}`,
        fields: { tags: tagsOf(ranking, item) },
      })),
    });
  const idsOf = async () =>
    (await impressions(loop)).map((record) => {
      const { ids, listOffsets } = rowsOf(record).features();
      return [record.rankingId, `${rowsOf(record).items()}`, `${listOffsets}`, `${ids}`].join(" ");
    });
  const rankings = Array.from({ length: 60 }, (_, i) => i);
  for (const ranking of rankings) await loop.mesh.settle(rank(ranking));
  const apart = await idsOf();
  assert.equal(apart.length, rankings.length);
  for (let round = 0; round < 2; round++) await loop.mesh.settle(Promise.all(rankings.map(rank)));
  const together = (await idsOf()).slice(rankings.length);
  assert.deepEqual(together.sort(), [...apart, ...apart].sort());
  await loop.stop();
});

Deno.test("a request's fields override the stored attributes, and both reach the log", async () => {
  const loop = await Loop.start();
  await loop.profiles.put("item", "a", { tags: ["stored"] });
  const tagIds = async (rankingId: string) => {
    const record = (await impressions(loop)).find((r) => r.rankingId === rankingId)!;
    const { ids, listOffsets: [, , begin, end] } = rowsOf(record).features();
    return Array.from(
      { length: end - begin },
      (_, i) => `${ids.subarray(2 * (begin + i)).slice(0, 2)}`,
    );
  };
  await loop.rank("u", ["a"], { rankingId: "stored" });
  await loop.rank("u", ["a"], {
    rankingId: "inline",
    candidates: [{ id: "a", fields: { tags: ["one", "two"] } }],
  });
  await loop.rank("u", ["a"], {
    rankingId: "same",
    candidates: [{ id: "a", fields: { tags: ["stored"] } }],
  });
  assert.equal((await tagIds("inline")).length, 2);
  assert.deepEqual(await tagIds("same"), await tagIds("stored"));
  await loop.stop();
});

Deno.test("a ranking is answered while the log's server is away or has lost records, and refused on a broken disk", async () => {
  const shared: (readonly [string, readonly string[]])[] = [];
  const failure: { error: Error | undefined } = { error: undefined };
  const sharedRankings = {
    append(_partition: number, { rankingId, items }: RankingRecord) {
      if (failure.error !== undefined) return Promise.reject(failure.error);
      shared.push([rankingId, items.map(({ id }) => id)]);
      return Promise.resolve(0);
    },
    remember(rankingId: string, items: readonly { readonly id: string }[]) {
      shared.push([rankingId, items.map(({ id }) => id)]);
      return Promise.resolve();
    },
  } as SharedRankings;
  const loop = await Loop.start({ sharedRankings });
  const logged = await loop.rank("u", ["a"], { rankingId: "logged" });
  assert.ok(!("unlogged" in logged));
  failure.error = new LogUnavailableError("events", "Start it.", new Error("away"), true);
  const away = await loop.rank("u", ["a"], { rankingId: "away" });
  assert.deepEqual([away.items.length, away.unlogged], [1, true]);
  failure.error = new LogTailLostError("events", 0, 8, 7);
  const lost = await loop.rank("u", ["a"], { rankingId: "lost" });
  assert.deepEqual([lost.items.length, lost.unlogged], [1, true]);
  failure.error = new LogFullError("events", "has no memory", true);
  const full = await loop.rank("u", ["a"], { rankingId: "full" });
  assert.deepEqual([full.items.length, full.unlogged], [1, true]);
  assert.deepEqual(shared, [
    ["logged", ["a"]],
    ["away", ["a", UNLOGGED_ITEM]],
    ["lost", ["a", UNLOGGED_ITEM]],
    ["full", ["a", UNLOGGED_ITEM]],
  ]);
  const outcome = Promise.withResolvers<number>();
  failure.error = new LateAppendError("events", new Error("slow"), outcome.promise);
  const slow = await loop.rank("u", ["a"], { rankingId: "slow" });
  assert.deepEqual([slow.items.length, slow.unlogged], [1, true]);
  assert.deepEqual(shared.at(-1), ["slow", ["a", UNLOGGED_ITEM]]);
  outcome.resolve(7);
  await loop.mesh.advance(1);
  assert.deepEqual(shared.at(-1), ["slow", ["a", LOGGED_LATE_ITEM]]);
  failure.error = new LogUnavailableError("events", "Mend it.", new Error("disk I/O error"));
  await assert.rejects(loop.rank("u", ["a", "b"]), /disk I\/O error/);
  failure.error = LogFullError.atLimit("events", 2, 1);
  await assert.rejects(loop.rank("u", ["a", "b"]), /its limit is 1/);
  await loop.stop();
});

Deno.test("a ranking that is learned from is shared with the other gateways before its answer", async () => {
  const shared = new Map<string, string[]>();
  const loop = await Loop.start({
    sharedRankings: {
      append(_partition, { rankingId, items }) {
        shared.set(rankingId, items.map(({ id }) => id));
        return Promise.resolve(0);
      },
      remember: () => Promise.resolve(),
      appendOnce: () => Promise.resolve([]),
      load: () => Promise.resolve(new Map()),
      check: () => "unknown-ranking",
      unshared: 0,
      givenUp: 0,
      close() {},
    },
  });
  const { items } = await loop.rank("u", ["a", "b", "c"], { rankingId: "ranked", limit: 2 });
  assert.deepEqual(shared.get("ranked"), items.map(({ id }) => id));
  await loop.rank("u", ["a", "b"], { rankingId: "control", shown: ["b"], learn: true });
  assert.deepEqual(shared.get("control"), ["b"]);
  await loop.rank("u", ["a", "b"], { rankingId: "not learned", learn: false });
  assert.equal(shared.has("not learned"), false);
  await loop.stop();
});

Deno.test("the caller's own order is logged in place of the answer's", async () => {
  const loop = await Loop.start();
  const shown = ["c", "a"];
  const ranking = await loop.rank("u", ["a", "b", "c"], { limit: 1, rankingId: "own", shown });
  assert.equal(ranking.items.length, 1);
  const [impression] = await impressions(loop);
  const rows = rowsOf(impression);
  assert.deepEqual(rows.items(), shown);
  const all = await loop.rank("u", ["a", "b", "c"], { rankingId: "all" });
  for (const [row, item] of shown.entries()) {
    assert.equal(rows.prediction(row), all.items.find(({ id }) => id === item)!.score);
  }
  await loop.stop();
});

Deno.test("a ranking that awaits reports of shown items is logged as such", async () => {
  const loop = await Loop.start();
  await loop.rank("u", ["a", "b"], { rankingId: "waits", awaitShown: true });
  await loop.rank("u", ["a", "b"], { rankingId: "own", shown: ["b"], awaitShown: false });
  const logged = await impressions(loop);
  assert.deepEqual(
    logged.map(({ rankingId, awaitsShown }) => [rankingId, awaitsShown]),
    [["waits", true], ["own", undefined]],
  );
  await loop.stop();
});

Deno.test("a ranking that is not to be learned from is answered and not logged", async () => {
  const loop = await Loop.start();
  const preview = await loop.rank("u", ["a", "b"], { learn: false });
  assert.equal(preview.items.length, 2);
  assert.deepEqual(await impressions(loop), []);
  await loop.stop();
});
