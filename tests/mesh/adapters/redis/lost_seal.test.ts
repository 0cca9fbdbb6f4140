import assert from "node:assert/strict";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { newMesh, patientBudgets, withServers } from "./servers.ts";

const once = (id: string, acceptedAtMs: number) => ({
  id,
  bytes: new Uint8Array(8), // the time
  content: id,
  acceptedAtMs,
  endsWithTime: true,
});

await withServers((server) => {
  Deno.test(`acceptance times ascend where a lost seal is made again, ${server.program}`, async () => {
    const redis = await server.connect({ mesh: newMesh() });
    const log = await RedisEventLog.open({
      server: redis,
      name: "events",
      partitions: 1,
      bytesMax: 2 ** 20,
      writer: crypto.randomUUID(),
      ...patientBudgets,
    });
    await log.appendOnce(0, [once("a", 1_000)]);
    await log.extend({ firstPartition: 1, partitions: 2 });
    // A fail-over goes back before the seal, of which this process has learned.
    const hash = redis.key("log:events");
    await redis.commands.send(["HSET", hash, "first", "0", "partitions", "1"]);
    await redis.commands.send(["HDEL", hash, "accepted:1"]);
    await log.appendOnce(1, [once("b", 3_000)]);
    await log.extend({ firstPartition: 1, partitions: 2 });
    const [outcome] = await log.appendOnce(1, [once("c", 2_000)]);
    assert.ok(outcome.acceptedAtMs > 3_000, `${outcome.acceptedAtMs} is above 3,000`);
    await log.close();
    redis.close();
  });
});
