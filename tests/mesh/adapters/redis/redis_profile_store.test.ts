import assert from "node:assert/strict";
import {
  RedisProfileStore,
  type RedisProfileStoreOptions,
} from "../../../../mesh/adapters/redis/redis_profile_store.ts";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import {
  ProfileCursorError,
  ProfileStoreUnavailableError,
} from "../../../../mesh/ports/profile_store.ts";
import { profileStoreContract } from "../../../contracts/profile_store_contract.ts";
import { newMesh, PATIENT_MS, type TestServer, withServers } from "./servers.ts";

interface Opened {
  readonly store: RedisProfileStore;
  readonly redis: RedisServer;
  close(): Promise<void>;
}

interface OpenOptions extends Partial<RedisProfileStoreOptions> {
  /** Deadline of each command, ms; default {@link PATIENT_MS}. */
  readonly deadlineMs?: number;
}

async function open(
  server: TestServer,
  mesh: string,
  { deadlineMs = PATIENT_MS, ...options }: OpenOptions = {},
): Promise<Opened> {
  const redis = await server.connect({ mesh, deadlineMs });
  const store = await RedisProfileStore.open({
    server: redis,
    writer: crypto.randomUUID(),
    cacheBytesMax: 2 ** 24,
    loadBudgetMs: PATIENT_MS,
    ...options,
  });
  const close = async () => {
    await store.close();
    redis.close();
  };
  return { store, redis, close };
}

/** Resolves when a listener of items has heard `id`. */
function heard(store: RedisProfileStore, id: string | undefined): Promise<void> {
  const told = Promise.withResolvers<void>();
  const remove = store.onChanged("item", (changed) => {
    if (changed !== id) return;
    remove();
    told.resolve();
  });
  return told.promise;
}

await withServers((server) => {
  profileStoreContract(`${server.program} profile store`, async () => {
    const mesh = newMesh();
    let opened = await open(server, mesh);
    return {
      store: opened.store,
      settle: (promise) => promise,
      async reopen() {
        await opened.close();
        opened = await open(server, mesh);
        return opened.store;
      },
      dispose: () => opened.close(),
    };
  });

  const test = (
    name: string,
    body: (one: Opened, two: Opened) => Promise<void>,
    options: OpenOptions = {},
  ) =>
    Deno.test(`${server.program} profile store: ${name}`, async () => {
      const mesh = newMesh();
      const [one, two] = [await open(server, mesh, options), await open(server, mesh, options)];
      try {
        await body(one, two);
      } finally {
        await one.close();
        await two.close();
      }
    });

  test(
    "of two processes that replace a profile one does, and the other reads its result",
    async (one, two) => {
      const before = await one.store.put("item", "a", { i: 0 });
      await two.store.load("item", ["a"]);
      const made = await Promise.all([
        one.store.replace("item", before, { i: 1 }),
        two.store.replace("item", before, { i: 2 }),
      ]);
      const winner = made.find((profile) => profile !== undefined);
      assert.equal(made.filter((profile) => profile !== undefined).length, 1);
      const loser = made[0] === undefined ? one : two;
      assert.deepEqual(loser.store.get("item", "a"), winner);
      assert.equal(loser.store.count("item"), 1);
    },
  );

  test("a cursor of another store is refused", async ({ store }) => {
    await assert.rejects(store.list("item", "item-7", 10), ProfileCursorError);
  });

  test("another process loads a profile, and hears of its next change", async (one, two) => {
    await one.store.put("item", "a", { year: 1 });
    assert.equal(two.store.get("item", "a"), undefined, "it was not loaded");
    await two.store.load("item", ["a", "none"]);
    assert.deepEqual(two.store.get("item", "a")?.attributes, { year: 1 });
    assert.equal(two.store.get("item", "none"), undefined);
    const changed = heard(two.store, "a");
    const appeared = heard(two.store, "none");
    await one.store.put("item", "a", { year: 2 });
    await one.store.put("item", "none", {});
    await Promise.all([changed, appeared]);
    await two.store.load("item", ["a", "none"]);
    assert.deepEqual(two.store.get("item", "a")?.attributes, { year: 2 });
    assert.equal(two.store.get("item", "none")?.version, 1);
    assert.equal(two.store.count("item"), 2);
    const gone = heard(two.store, "a");
    await one.store.delete("item", "a");
    await gone;
    await two.store.load("item", ["a"]);
    assert.equal(two.store.get("item", "a"), undefined);
    assert.equal(two.store.count("item"), 1);
  });

  test("puts of several processes are numbered one after another", async (one, two) => {
    const puts = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).store.put("user", "ann", { i })),
    );
    assert.deepEqual(
      puts.map(({ version }) => version).toSorted((a, b) => a - b),
      puts.map((_, i) => i + 1),
    );
    await one.store.load("user", ["ann"]);
    await two.store.load("user", ["ann"]);
    const last = puts.find(({ version }) => version === 40);
    for (const { store } of [one, two]) {
      // The reader that was not the last writer hears of it soon.
      while (store.get("user", "ann")?.version !== 40) await store.load("user", ["ann"]);
      assert.deepEqual(store.get("user", "ann"), last);
    }
  });

  test("a gap in the changes makes all profiles old", async (one, two) => {
    await one.store.put("item", "a", { year: 1 });
    await two.store.load("item", ["a"]);
    const all = heard(two.store, undefined);
    // Three changes whose entries the stream does not have any more.
    await one.redis.commands.send(["INCRBY", one.redis.key("profiles:number"), 3]);
    await one.redis.commands.send([
      "HSET",
      one.redis.key("profiles:item"),
      "a",
      '9 1700000000000 {"year":9}',
    ]);
    await one.store.put("item", "b", {});
    await all;
    await two.store.load("item", ["a"]);
    assert.deepEqual(two.store.get("item", "a")?.attributes, { year: 9 });
  });

  test("the cache is bounded, and profiles that fell out are read again", async (one, two) => {
    const ids = Array.from({ length: 200 }, (_, i) => `${i}`);
    await Promise.all(ids.map((id) => one.store.put("item", id, { text: "x".repeat(500) })));
    await two.store.load("item", ids);
    const held = () => ids.filter((id) => two.store.get("item", id)).length;
    assert.ok(held() > 10 && held() < 100, `${held()}`);
    for (const id of ids) {
      await two.store.load("item", [id]);
      assert.equal(two.store.get("item", id)?.version, 1);
    }
  }, { cacheBytesMax: 40_000 });

  test(
    "while the server answers nothing, rankings have what was read, and writes fail by name",
    async (one, two) => {
      await one.store.put("item", "a", { year: 1 });
      await one.store.put("item", "b", { year: 1 });
      await two.store.load("item", ["a"]);
      server.local.pause();
      try {
        await two.store.load("item", ["a", "b"]);
        assert.deepEqual(two.store.get("item", "a")?.attributes, { year: 1 });
        assert.equal(two.store.get("item", "b"), undefined);
        const refused = await two.store.put("item", "c", {}).catch((error) => error);
        assert.ok(refused instanceof ProfileStoreUnavailableError, String(refused));
        assert.match(refused.message, /Whether it was written is unknown/);
      } finally {
        server.local.resume();
      }
      // Values derived from the absent profile are dropped, once it can be read.
      await heard(two.store, "b");
      await two.store.load("item", ["b"]);
      assert.deepEqual(two.store.get("item", "b")?.attributes, { year: 1 });
    },
    { loadBudgetMs: 50, deadlineMs: 2_000 },
  );
});
