/**
 * One process that is started with the logs of a mesh that has changed its number of partitions.
 */
import assert from "node:assert/strict";
import { installedProgram, LocalServer } from "../../../mesh/adapters/redis/local_server.ts";
import { openRedisStores, type RedisStorage } from "../../../server/machine/redis_storage.ts";

const program = installedProgram();

Deno.test({
  name: "one process refuses sealed partitions, and names no number that it would refuse again",
  ignore: program === undefined,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
    const local = await LocalServer.start({ program: program ?? "redis-server", directory });
    try {
      const storage = (events: number): RedisStorage => ({
        server: { url: local.url, mesh: "shop", deadlineMs: 5_000 },
        logBytesMax: 1 << 20,
        partitions: { events, examples: events },
        profilesCacheBytesMax: 1 << 20,
        knownMs: 1_000,
      });
      const onWarning = () => {};
      const mesh = await openRedisStores(storage(1), { isOnlyProcess: false, onWarning });
      await mesh.eventLog.extend?.({ firstPartition: 1, partitions: 4 });
      await mesh.close();
      for (const events of [1, 3, 4]) {
        const opened = openRedisStores(storage(events), { isOnlyProcess: true, onWarning });
        await assert.rejects(opened, (error: Error) => {
          assert.match(error.message, /A mesh has changed the number .* by cairn node/);
          assert.doesNotMatch(error.message, /Set joiner.partitions/);
          return true;
        });
      }
    } finally {
      await local.stop();
      await Deno.remove(directory, { recursive: true });
    }
  },
});
