import assert from "node:assert/strict";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { LOG_FORMAT } from "../../../../mesh/ports/log_format.ts";
import { newMesh, patientBudgets, withServers } from "./servers.ts";

await withServers((server) => {
  Deno.test(`a log of another build's format is refused, ${server.program}`, async () => {
    const redis = await server.connect({ mesh: newMesh() });
    try {
      const open = () =>
        RedisEventLog.open({
          server: redis,
          name: "events",
          partitions: 1,
          keepsPartitions: true,
          bytesMax: 2 ** 20,
          writer: crypto.randomUUID(),
          ...patientBudgets,
        });
      const log = await open();
      await log.append(0, [new Uint8Array([1])]);
      await log.close();
      const hash = redis.key("log:events");
      await redis.commands.send(["HSET", hash, "format", `${LOG_FORMAT + 1}`]);
      await assert.rejects(open, {
        name: "LogFormatError",
        message: `The log events at ${redis.url} has format ${LOG_FORMAT + 1}; this build reads ` +
          `${LOG_FORMAT}. Open it with the build that wrote it, or set storage.redis.name to ` +
          "another name.",
      });
      // A log without a format is older than the first build that wrote one.
      await redis.commands.send(["HDEL", hash, "format"]);
      await assert.rejects(open, { name: "LogFormatError", found: 0 });
      await redis.commands.send(["HSET", hash, "format", `${LOG_FORMAT}`]);
      const again = await open();
      assert.equal((await again.read(0, 0, 9)).length, 1, "refusals leave the records alone");
      await again.close();
    } finally {
      redis.close();
    }
  });
});
