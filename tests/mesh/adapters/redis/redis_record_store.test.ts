import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import { coordinationContract } from "../../../contracts/coordination_contract.ts";
import { newMesh, withServers } from "./servers.ts";

await withServers((server) => {
  coordinationContract(`${server.program} record store`, () => {
    const mesh = newMesh();
    const opened: { close(): void }[] = [];
    return Promise.resolve({
      connect: async () => {
        const redis = await server.connect({ mesh });
        opened.push(redis);
        return new RedisRecordStore(redis);
      },
      dispose: () => {
        for (const each of opened) each.close();
        return Promise.resolve();
      },
    });
  });
});
