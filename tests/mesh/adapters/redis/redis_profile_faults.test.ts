/**
 * Profiles on a real server that is full, or restored from an old copy.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { LocalServer, type ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import { RedisProfileStore } from "../../../../mesh/adapters/redis/redis_profile_store.ts";
import { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { ProfileStoreUnavailableError } from "../../../../mesh/ports/profile_store.ts";
import { eventually } from "../../../integration/mesh_process.ts";
import { PATIENT_MS, withPrograms } from "./servers.ts";

interface World {
  readonly local: LocalServer;
  readonly directory: string;
  readonly server: RedisServer;
  readonly store: RedisProfileStore;
}

withPrograms((program: ServerProgram) => {
  const test = (
    name: string,
    body: (world: World) => Promise<void>,
    settings: Readonly<Record<string, string>> = {},
  ) =>
    Deno.test(`${program}: ${name}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
      const local = await LocalServer.start({ program, directory, settings });
      const server = await RedisServer.open({ url: local.url, mesh: "m", deadlineMs: PATIENT_MS });
      const store = await RedisProfileStore.open({
        server,
        writer: crypto.randomUUID(),
        cacheBytesMax: 2 ** 20,
        loadBudgetMs: PATIENT_MS,
      });
      try {
        await body({ local, directory, server, store });
      } finally {
        await store.close();
        server.close();
        await local.kill();
        await Deno.remove(directory, { recursive: true });
      }
    });

  test("a full server refuses a profile with what to do, deletes profiles, and takes new ones then", async ({ server, store }) => {
    await store.put("user", "ann", { age: 7 });
    await server.commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    for (const write of [() => store.put("user", "bob", { age: 8 })]) {
      const refused = await write().catch((error) => error);
      assert.ok(refused instanceof ProfileStoreUnavailableError, String(refused));
      assert.match(
        refused.message,
        /Nothing was written\. Raise its maxmemory, or delete profiles/,
      );
    }
    await store.load("user", ["ann"]);
    assert.equal(store.get("user", "ann")?.attributes.age, 7);
    assert.equal(await store.delete("user", "ann"), true);
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    assert.equal((await store.put("user", "bob", { age: 8 })).version, 1);
    assert.equal(store.count("user"), 1);
  });

  test("a read waits for a slow server, and one that is away has no profile to be absent", async ({ local, server }) => {
    const options = { server, writer: crypto.randomUUID(), cacheBytesMax: 2 ** 20 };
    const store = await RedisProfileStore.open({ ...options, loadBudgetMs: 1 });
    await store.put("user", "ann", { age: 7 });
    const other = await RedisProfileStore.open({ ...options, loadBudgetMs: 1 });
    local.pause();
    const slow = other.read("user", "ann");
    await other.load("user", ["ann"]); // a ranking goes on without it
    assert.equal(other.get("user", "ann"), undefined);
    local.resume();
    assert.equal((await slow)?.attributes.age, 7);
    await local.kill();
    const away = await other.read("user", "bob").catch((error) => error);
    assert.ok(away instanceof ProfileStoreUnavailableError, String(away));
    assert.match(away.message, /^Cannot read the Redis at .*\. Ask again when Redis answers\.$/);
    assert.equal((await other.read("user", "ann"))?.attributes.age, 7, "it was read before");
    await store.close();
    await other.close();
  });

  test(
    "a profile is written, deleted and forgotten under a run that has begun unnoticed",
    async ({ server, store }) => {
      // As after a fail-over behind an address that keeps its connections.
      const beginRun = async () => {
        const { id } = await server.runs.current();
        await server.commands.send(["DEBUG", "CHANGE-REPL-ID"]);
        return id;
      };
      const before = await beginRun();
      assert.equal((await store.put("user", "ann", { age: 7 })).version, 1);
      assert.notEqual((await server.runs.current()).id, before);
      await beginRun();
      const [ann] = store.getMany("user", ["ann"]);
      assert.equal((await store.replace("user", ann!, { age: 8 }))?.version, 2);
      await beginRun();
      assert.equal(await store.delete("user", "ann"), true);
      await beginRun();
      await store.dropChanges();
    },
    { "enable-debug-command": "yes" },
  );

  test("an id that was read without being loaded is told as changed, so that its absence does not stay", async ({ store }) => {
    await store.put("item", "a", { n: 1 });
    const told: (string | undefined)[] = [];
    const remove = store.onChanged("item", (id) => void told.push(id));
    assert.deepEqual(store.getMany("item", ["a", "b"]).map((each) => each?.id), ["a", undefined]);
    assert.ok(await eventually(() => Promise.resolve(told.length > 0)));
    assert.deepEqual(told, ["b"]);
    await store.load("item", ["b"]);
    assert.equal(store.get("item", "b"), undefined);
    remove();
  });

  test("after a restore from an old copy profiles are read anew, and numbered on", async ({ local, directory, store }) => {
    await store.put("item", "a", { n: 1 });
    assert.equal(store.changesLost(), 0);
    const saved = `${directory}/saved`;
    await new Deno.Command("cp", { args: ["-a", `${directory}/appendonlydir`, saved] }).output();
    await store.put("item", "a", { n: 2 });
    await store.put("item", "b", { n: 2 });
    let changes = 0;
    const remove = store.onChanged("item", (id) => void (id === undefined && changes++));
    await local.kill();
    await Deno.remove(`${directory}/appendonlydir`, { recursive: true });
    await Deno.rename(saved, `${directory}/appendonlydir`);
    await local.start();
    assert.ok(await eventually(() => Promise.resolve(changes > 0)), "all that was derived is old");
    remove();
    const read = async () => {
      await store.load("item", ["a", "b"]);
      return ["a", "b"].map((id) => store.get("item", id)?.attributes.n);
    };
    // Just after its start the server may answer later than a load waits.
    assert.ok(await eventually(async () => isDeepStrictEqual(await read(), [1, undefined])));
    assert.equal(store.count("item"), 1);
    await store.put("item", "b", { n: 3 });
    assert.deepEqual(await read(), [1, 3]);
    assert.equal(store.count("item"), 2);
    assert.equal(store.changesLost(), 2, "as operators are told");
    await local.kill();
    await local.start();
    assert.ok(
      await eventually(() => store.put("item", "c", { n: 4 }).then(() => true, () => false)),
    );
    assert.equal(store.changesLost(), 2, "a restart has lost none");
  });
});
