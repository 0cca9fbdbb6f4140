import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { eventLogContract } from "../../../contracts/event_log_contract.ts";
import { newMesh, patientBudgets, withServers } from "./servers.ts";

await withServers((server) => {
  eventLogContract(`${server.program} event log`, async ({ bytesMax = 2 ** 30, ...options }) => {
    const mesh = newMesh();
    const open = async () => {
      const redis = await server.connect({ mesh });
      const log = await RedisEventLog.open({
        server: redis,
        name: "events",
        bytesMax,
        ...options,
        ...patientBudgets,
        writer: crypto.randomUUID(),
      });
      const close = async () => {
        await log.close();
        redis.close();
      };
      return { log, close };
    };
    let opened = await open();
    return {
      log: opened.log,
      async reopen() {
        await opened.close();
        opened = await open();
        return opened.log;
      },
      dispose: () => opened.close(),
    };
  });
});
