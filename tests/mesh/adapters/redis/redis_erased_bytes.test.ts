/**
 * Bytes that Redis keeps of removed records: a stream keeps trimmed entries as long as their node,
 * and the stream of changed profiles keeps the ids of deleted ones.
 */
import assert from "node:assert/strict";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { RedisProfileStore } from "../../../../mesh/adapters/redis/redis_profile_store.ts";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { holdsBytes } from "../../../../structures/byte_search.ts";
import { newMesh, PATIENT_MS, patientBudgets, withServers } from "./servers.ts";

const text = (value: string) => new TextEncoder().encode(value);
const SECRET = text("ann.the-erased-visitor@example.org");

/** Whether the stored form of a key has the bytes of {@link SECRET}. */
async function holdsSecret(redis: RedisServer, key: string): Promise<boolean> {
  await redis.commands.send(["CONFIG", "SET", "rdbcompression", "no"]);
  const dump = await redis.commands.sendForBytes<Uint8Array | null>(["DUMP", key]);
  return dump !== null && holdsBytes(new Uint8Array(dump), SECRET);
}

await withServers((server) => {
  const openLog = (redis: RedisServer) =>
    RedisEventLog.open({
      server: redis,
      name: "events",
      partitions: 1,
      bytesMax: 2 ** 24,
      writer: crypto.randomUUID(),
      ...patientBudgets,
    });

  Deno.test(`${server.program}: a trim leaves no bytes of the records before a roll`, async () => {
    const redis = await server.connect({ mesh: newMesh() });
    const log = await openLog(redis);
    const stream = redis.key("log:events:0");
    try {
      await log.append(0, [SECRET, text("with it")]);
      await log.roll(0);
      await log.roll(0); // nothing came between
      await log.append(0, [text("later"), text("newest")]);
      const read = await log.read(0, 0, 10);
      assert.deepEqual(read.map(({ offset }) => offset), [0, 1, 2, 3], "a separator is no record");
      assert.deepEqual((await log.read(0, 1, 2)).map(({ offset }) => offset), [1, 2]);
      assert.ok(await holdsSecret(redis, stream));
      await log.trim(0, 2);
      assert.equal(await holdsSecret(redis, stream), false);
      assert.deepEqual((await log.read(0, 0, 10)).map(({ offset }) => offset), [2, 3]);
      assert.equal(log.usage().bytes, "later".length + "newest".length);
      assert.equal(await log.append(0, [text("last")]), 4, "offsets have no gap");
    } finally {
      await log.close();
      redis.close();
    }
  });

  Deno.test(`${server.program}: a roll of an empty log, or at its trimmed end, changes nothing`, async () => {
    const redis = await server.connect({ mesh: newMesh() });
    const log = await openLog(redis);
    try {
      await log.roll(0);
      await log.append(0, [text("a")]);
      await log.roll(0);
      await log.trim(0, 1);
      await log.roll(0);
      assert.deepEqual(await log.read(0, 0, 10), []);
      assert.equal(await log.append(0, [text("b")]), 1);
      assert.deepEqual((await log.read(0, 0, 10)).map(({ offset }) => offset), [1]);
    } finally {
      await log.close();
      redis.close();
    }
  });

  Deno.test(`${server.program}: dropped changes leave no id, and other processes read anew`, async () => {
    const mesh = newMesh();
    const [one, two] = await Promise.all([1, 2].map(async () => {
      const redis = await server.connect({ mesh });
      const store = await RedisProfileStore.open({
        server: redis,
        writer: crypto.randomUUID(),
        cacheBytesMax: 2 ** 20,
        loadBudgetMs: PATIENT_MS,
      });
      return { redis, store };
    }));
    const id = new TextDecoder().decode(SECRET);
    try {
      await one.store.put("user", id, { age: 7 });
      await one.store.put("item", "kept", { price: 1 });
      await two.store.load("user", [id]);
      assert.equal(two.store.get("user", id)?.attributes.age, 7);
      await one.store.delete("user", id);
      const changes = one.redis.key("profiles:changes");
      assert.ok(await holdsSecret(one.redis, changes));
      const told = Promise.withResolvers<void>();
      const remove = two.store.onChanged("item", () => told.resolve());
      await one.store.dropChanges();
      assert.equal(await holdsSecret(one.redis, changes), false);
      await told.promise;
      remove();
      await two.store.load("user", [id]);
      assert.equal(two.store.get("user", id), undefined);
      await two.store.load("item", ["kept"]);
      assert.equal(two.store.get("item", "kept")?.attributes.price, 1);
      assert.deepEqual([two.store.count("item"), two.store.count("user")], [1, 0]);
    } finally {
      for (const { store, redis } of [one, two]) {
        await store.close();
        redis.close();
      }
    }
  });
});
