import assert from "node:assert/strict";
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

  Deno.test(`${server.program} record store: the connection of a watch that has ended is forgotten`, async () => {
    const redis = await server.connect();
    const store = new RedisRecordStore(redis);
    try {
      const before = redis.connections;
      let revision = 0;
      for (let i = 0; i < 3; i++) {
        const watched = store.watch(revision, 10_000);
        await store.transact((view) => view.set("a", i));
        revision = await watched;
        // The read that goes on behind the watch ends with the next change.
        await store.transact((view) => view.set("a", -i));
      }
      for (let i = 0; i < 1_000 && redis.connections > before; i++) {
        await store.transact((view) => view.set("b", i));
      }
      assert.equal(redis.connections, before);
    } finally {
      await store.close();
      redis.close();
    }
  });
});
