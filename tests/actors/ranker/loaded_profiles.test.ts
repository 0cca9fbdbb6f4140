/**
 * Goal: no ranking reads an item or a user whose newest profile is not loaded.
 */
import assert from "node:assert/strict";
import type { RankerMessage } from "../../../actors/ranker/protocol.ts";
import { Loop } from "../loop.ts";
import { impressions, rowsOf } from "./logged_impressions.ts";

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
