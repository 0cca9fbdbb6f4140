import assert from "node:assert/strict";
import { NumberMemory } from "../../../structures/number_memory.ts";
import { LogTailLostError, LogUnavailableError } from "../../../mesh/ports/event_log.ts";
import { decodeEvent, type ImpressionRecord } from "../../../records/event_record.ts";
import { ImpressionRowsReader } from "../../../records/impression_rows_reader.ts";
import type { Rank, RankerMessage } from "../../../actors/ranker/protocol.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import { altered } from "../altered.ts";
import { type SharedRankings, UNLOGGED_ITEM } from "../../../mesh/ports/shared_rankings.ts";
import { Loop } from "../loop.ts";

async function impressions(loop: Loop): Promise<ImpressionRecord[]> {
  const records = await loop.eventLog.read(0, 0, 1_000);
  return records.map(({ bytes }) => decodeEvent(bytes)).filter((r) => r.kind === "impression");
}

function rowsOf({ shown }: ImpressionRecord): ImpressionRowsReader {
  return new ImpressionRowsReader().open(NumberMemory.copyOf(shown));
}

Deno.test("the log has the impression, with the shown items only, before the answer", async () => {
  const loop = await Loop.start();
  const ranking = await loop.rank("user-0", ["a", "b", "c"], { limit: 2, rankingId: "mine" });
  assert.equal(ranking.rankingId, "mine");
  assert.equal(ranking.items.length, 2);
  const [impression] = await impressions(loop);
  const shown = rowsOf(impression);
  assert.deepEqual(shown.items(), ranking.items.map(({ id }) => id));
  assert.equal(impression.user, "user-0");
  assert.deepEqual([0, 1].map((row) => shown.score(row)), ranking.items.map(({ score }) => score));
  assert.deepEqual(Object.keys(ranking.items[0]), ["id", "score", "cold"]); // one task
  const { listOffsets } = shown.features();
  const userItemNoTags = [0, 1, 2, 2, 3, 4, 4]; // of two rows
  assert.deepEqual([...listOffsets.subarray(0, 7)], userItemNoTags);
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

Deno.test("a changed or deleted item profile is in the features of the next ranking", async () => {
  const loop = await Loop.start();
  const tagIds = async (rankingId: string) => {
    await loop.rank("u", ["a"], { rankingId });
    const record = (await impressions(loop)).find((r) => r.rankingId === rankingId)!;
    const { ids, listOffsets: [, , begin, end] } = rowsOf(record).features();
    return Array.from(
      { length: end - begin },
      (_, i) => `${ids.subarray(2 * (begin + i)).slice(0, 2)}`,
    );
  };
  assert.deepEqual(await tagIds("unknown"), []);
  await loop.profiles.put("item", "a", { tags: ["one", "two"] });
  const known = await tagIds("known");
  assert.equal(known.length, 2);
  await loop.profiles.put("item", "a", { tags: ["two"] });
  assert.deepEqual(await tagIds("changed"), known.slice(1));
  await loop.profiles.delete("item", "a");
  assert.deepEqual(await tagIds("deleted"), []);
  await loop.stop();
});

Deno.test("a ranking is answered while the log's server is away or has lost records, and refused on a broken disk", async () => {
  const shared: (readonly [string, readonly string[]])[] = [];
  const sharedRankings = {
    remember(rankingId: string, items: readonly { readonly id: string }[]) {
      shared.push([rankingId, items.map(({ id }) => id)]);
      return Promise.resolve();
    },
  } as SharedRankings;
  const loop = await Loop.start({ sharedRankings });
  const logged = await loop.rank("u", ["a"], { rankingId: "logged" });
  assert.ok(!("unlogged" in logged));
  const failure = {
    error: new LogUnavailableError("events", "Start it.", new Error("away"), true) as Error,
  };
  Object.assign(loop.eventLog, { append: () => Promise.reject(failure.error) });
  const away = await loop.rank("u", ["a"], { rankingId: "away" });
  assert.deepEqual([away.items.length, away.unlogged], [1, true]);
  failure.error = new LogTailLostError("events", 0, 8, 7);
  const lost = await loop.rank("u", ["a"], { rankingId: "lost" });
  assert.deepEqual([lost.items.length, lost.unlogged], [1, true]);
  assert.deepEqual(shared, [
    ["logged", ["a"]],
    ["away", ["a"]],
    ["away", ["a", UNLOGGED_ITEM]],
    ["lost", ["a"]],
    ["lost", ["a", UNLOGGED_ITEM]],
  ]);
  failure.error = new LogUnavailableError("events", "Mend it.", new Error("disk I/O error"));
  await assert.rejects(loop.rank("u", ["a", "b"]), /disk I\/O error/);
  await loop.stop();
});

Deno.test("profiles that lie elsewhere are loaded before a ranking reads them", async () => {
  const loop = await Loop.start();
  const { profiles } = loop;
  const stored = profiles.getMany.bind(profiles);
  const loaded = new Set<string>();
  Object.assign(profiles, {
    isLocal: false,
    load(kind: string, ids: string[]) {
      for (const id of ids) loaded.add(`${kind} ${id}`);
      return Promise.resolve();
    },
    getMany: (kind: "item", ids: string[]) =>
      stored(kind, ids).map((each, i) => loaded.has(`${kind} ${ids[i]}`) ? each : undefined),
  });
  await profiles.put("item", "a", { tags: ["one"] });
  await loop.rank("u", ["a", "b"], { rankingId: "first" });
  assert.deepEqual([...loaded].toSorted(), ["item a", "item b"]);
  assert.equal(await tagsOf(loop, "first", "a"), 1);
  await loop.stop();
});

/** Lets a loop load profiles of items as from another machine; the ids that it loaded. */
function storedElsewhere({ profiles }: Loop, onLoad = (): Promise<unknown> => Promise.resolve()) {
  const loaded: string[][] = [];
  const cached = new Set<string>();
  const stored = profiles.getMany.bind(profiles);
  profiles.onChanged("item", (id) => id !== undefined && cached.delete(id));
  Object.assign(profiles, {
    isLocal: false,
    async load(_: string, ids: string[]) {
      const missing = ids.filter((id) => !cached.has(id));
      loaded.push(missing);
      await onLoad();
      for (const id of missing) cached.add(id);
    },
    getMany: (kind: "item", ids: string[]) =>
      stored(kind, ids).map((each, i) => cached.has(ids[i]) ? each : undefined),
  });
  return loaded;
}

/** Number of the tags of an item in the impression of a ranking. */
async function tagsOf(loop: Loop, ranking: string, item: string): Promise<number> {
  const record = (await impressions(loop)).find(({ rankingId }) => rankingId === ranking);
  assert.ok(record !== undefined);
  const rows = rowsOf(record);
  const { listOffsets } = rows.features();
  const row = rows.items().indexOf(item);
  return listOffsets[3 * row + 3] - listOffsets[3 * row + 2];
}

Deno.test("items whose features are cached are not loaded again, until they change", async () => {
  const loop = await Loop.start();
  const loaded = storedElsewhere(loop);
  const newlyLoaded = async (items: string[]) => {
    loaded.length = 0;
    await loop.rank("u", items);
    return loaded.flat().toSorted();
  };
  assert.deepEqual(await newlyLoaded(["a", "b"]), ["a", "b"]);
  assert.deepEqual(await newlyLoaded(["b", "a"]), []);
  assert.deepEqual(await newlyLoaded(["a", "c"]), ["c"]);
  await loop.profiles.put("item", "a", { tags: ["new"] });
  assert.deepEqual(await newlyLoaded(["a", "b", "c"]), ["a"]);
  await loop.stop();
});

Deno.test("an item that changes while other items load has its new features", async () => {
  const loop = await Loop.start();
  const { profiles } = loop;
  await profiles.put("item", "a", { tags: ["one"] });
  let changes = true;
  storedElsewhere(loop, async () => {
    if (!changes) return;
    changes = false;
    await profiles.put("item", "a", { tags: ["one", "two"] });
  });
  changes = false;
  await loop.rank("u", ["a"]);
  changes = true;
  await loop.rank("u", ["a", "b"], { rankingId: "meanwhile" });
  assert.equal(await tagsOf(loop, "meanwhile", "a"), 2);
  await loop.stop();
});

Deno.test("an item that changes while another ranking caches the item that is loaded is loaded too", async () => {
  const loop = await Loop.start();
  const { profiles } = loop;
  await profiles.put("item", "a", { tags: ["one"] });
  let onLoad = (): Promise<unknown> => Promise.resolve();
  storedElsewhere(loop, () => onLoad());
  await loop.rank("u", ["a"]);
  let loads = 0;
  onLoad = async () => {
    if (++loads > 1) return;
    await loop.requestRanking("v", ["b"]);
    await profiles.put("item", "a", { tags: ["one", "two"] });
  };
  await loop.rank("u", ["a", "b"], { rankingId: "meanwhile" });
  assert.equal(await tagsOf(loop, "meanwhile", "a"), 2);
  await loop.stop();
});

Deno.test("the items of an impression that no ranking made are loaded before they are read", async () => {
  const loop = await Loop.start();
  const { profiles, mesh } = loop;
  await profiles.put("item", "a", { tags: ["one"] });
  const loaded = storedElsewhere(loop);
  const ranker = mesh.node().actorRef<RankerMessage>("ranker/0");
  const described = ranker.ask({
    kind: "describeItems",
    rankingId: "made",
    user: "u",
    atMs: 1_000,
    items: ["a"],
    logSampleRate: 0,
  }, { budgetMs: 5_000 });
  await mesh.settle(described);
  assert.deepEqual(loaded, [["a"]]);
  await loop.rank("u", ["a"], { rankingId: "later" });
  assert.equal(await tagsOf(loop, "later", "a"), 1, "the cached features are those of the profile");
  await loop.stop();
});

Deno.test("a ranking that is learned from is shared with the other gateways before its answer", async () => {
  const shared = new Map<string, string[]>();
  const loop = await Loop.start({
    sharedRankings: {
      remember(rankingId, items) {
        shared.set(rankingId, items.map(({ id }) => id));
        return Promise.resolve();
      },
      load: () => Promise.resolve(),
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

Deno.test("an invalid request does not fail the requests that wait with it", async () => {
  const loop = await Loop.start();
  const wrong = loop.requestRanking("u", ["a"], {
    candidates: [{ id: "a", fields: { tags: 7 } }],
  });
  const right = loop.requestRanking("u", ["b"]);
  const [refused, answered] = await loop.mesh.settle(Promise.allSettled([wrong, right]));
  assert.equal(refused.status, "rejected");
  assert.match(String((refused as PromiseRejectedResult).reason), /tags/);
  assert.equal(answered.status, "fulfilled");
  await loop.stop();
});

Deno.test("more requests than may wait are answered overloaded at once", async () => {
  const loop = await Loop.start({ scorer: { requestsWaitingMax: 4 } });
  const requests = Array.from({ length: 10 }, () => loop.requestRanking("u", ["a"]));
  const outcomes = await loop.mesh.settle(Promise.allSettled(requests));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refused.length, 6);
  for (const { reason } of refused) assert.equal(reason.name, "OverloadedError");
  await loop.stop();
});

Deno.test("unknown users and items are ranked", async () => {
  const loop = await Loop.start();
  const { items } = await loop.rank("", ["never-seen"]);
  assert.ok(items[0].score > 0 && items[0].score < 1);
  assert.equal(items[0].cold, true);
  await loop.stop();
});

Deno.test("explanations are the same however many rows a pass may have", async () => {
  const items = ["a", "b", "c", "d", "e"];
  const explain = async (batchRowsMax: number) => {
    const loop = await Loop.start({ scorer: { batchRowsMax } });
    for (const item of items) {
      const { rankingId } = await loop.rank("u", items);
      await loop.act(rankingId, item, "click");
      await loop.mesh.advance(100);
    }
    await loop.mesh.advance(1_000);
    const ranking = await loop.rank("u", items, { explain: true });
    await loop.stop();
    return ranking.items;
  };
  assert.deepEqual(await explain(7), await explain(1_000));
});

Deno.test("the best items are explained, at most as many as `explainedItemsMax`", async () => {
  const loop = await Loop.start({ ranker: { explainedItemsMax: 2 } });
  const { items } = await loop.rank("u", ["a", "b", "c"], { explain: true });
  assert.deepEqual(items.map(({ explanation }) => explanation?.length), [3, 3, undefined]);
  await loop.stop();
});

Deno.test("rankings with explanations beyond `explainingMax` are refused before they are scored", async () => {
  let rows = 0;
  const loop = await Loop.start({
    ranker: { explainingMax: 2 },
    interference: {
      inferenceSession: (session) =>
        altered(session, {
          predict(batch) {
            rows += batch.rows;
            return session.predict(batch);
          },
        }),
    },
  });
  for (let round = 0; round < 3; round++) {
    rows = 0;
    const requests = Array.from(
      { length: 5 },
      (_, i) => loop.requestRanking("u", ["a"], { explain: i > 0 }),
    );
    const outcomes = await loop.mesh.settle(Promise.allSettled(requests));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.name : "answered"),
      ["answered", "answered", "answered", "OverloadedError", "OverloadedError"],
    );
    assert.equal(rows, 3 + 2 * (1 + 3), "three rankings, two explanations of three slots");
  }
  await loop.stop();
});

Deno.test("a ranker is ready while its replicas answer, and not ready when they fail", async () => {
  const loop = await Loop.start();
  assert.equal((await loop.rankerStatus()).ready, true);
  await loop.rank("u", ["a", "b", "c"]);
  await loop.stopReplica(0);
  await assert.rejects(loop.rank("u", ["a", "b", "c"]));
  assert.equal((await loop.rankerStatus()).ready, false);
  await loop.startReplica(0);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).ready, true);
  await loop.stop();
});

Deno.test("the trace of a ranking reaches the replicas, in a later turn too", async () => {
  const loop = await Loop.start({ shards: 1 });
  await loop.stopReplica(0);
  const node = loop.mesh.node();
  const replica: ReturnType<typeof defineServingReplica> = {
    ...defineServingReplica(),
    create: (context) => ({
      receive(message) {
        context.telemetry.log("info", `received ${message.kind}`);
        if (message.kind === "lookup") context.replyError(message, new Error("this replica fails"));
      },
    }),
  };
  const options = { shard: 0, widths: [5], precision: "fp32", bytesMax: 1 << 24 } as const;
  await loop.mesh.settle(node.spawn(replica, 0, options));
  const rank: Rank = {
    kind: "rank",
    user: "u",
    context: {},
    atMs: 0,
    candidates: [{ id: "a" }],
    limit: 1,
    explain: false,
  };
  const asked = node.actorRef<RankerMessage>("ranker/0")
    .ask(rank, {
      budgetMs: 1_000,
      trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    });
  await assert.rejects(loop.mesh.settle(asked), /this replica fails/);
  const lines = loop.mesh.telemetry.lines.filter(({ message }) => message === "received lookup");
  assert.deepEqual(lines.map(({ fields }) => fields.traceId), ["0af7651916cd43dd8448eb211c80319c"]);
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
    assert.equal(rows.score(row), all.items.find(({ id }) => id === item)!.score);
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
