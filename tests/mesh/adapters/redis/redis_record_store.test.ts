import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import { coordinationContract } from "../../../contracts/coordination/coordination_contract.ts";
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

await withServers((server) => {
  Deno.test(`${server.program} record store: a read that a change overtakes is no loss`, async () => {
    const mesh = newMesh();
    const [one, two] = [await server.connect({ mesh }), await server.connect({ mesh })];
    const [reader, writer] = [new RedisRecordStore(one), new RedisRecordStore(two)];
    let isWriting = true;
    const write = async () => {
      for (let i = 0; i < 300; i++) {
        await writer.transact((view) => view.set("a", i), { keys: ["a"], durable: false });
      }
      isWriting = false;
    };
    const watch = async () => {
      for (let seen = 0; isWriting;) seen = await reader.watch(seen, 50);
    };
    const read = async () => {
      while (isWriting) {
        await Promise.all(
          Array.from({ length: 8 }, () => reader.transact((view) => view.get("a"))),
        );
      }
    };
    try {
      await Promise.all([write(), watch(), read()]);
    } finally {
      isWriting = false;
      for (const each of [reader, writer]) await each.close();
      for (const each of [one, two]) each.close();
    }
  });
});
