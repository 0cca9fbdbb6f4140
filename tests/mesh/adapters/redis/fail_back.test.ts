/**
 * Goal: writes that a fail-over has lost are found also where the same server process is the
 * primary again, whether it has followed the other one or not, lost rankings lie before the events
 * on them, and a server that gets a replica is not taken for one that has lost writes.
 * Method: two real servers, of which each is the other's replica in turn.
 */
import assert from "node:assert/strict";
import { freePorts } from "../../../free_ports.ts";
import { LocalServer, type ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import { RedisUnavailableError } from "../../../../mesh/adapters/redis/redis_connection.ts";
import { RedisProfileStore } from "../../../../mesh/adapters/redis/redis_profile_store.ts";
import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import { RedisSharedRankings } from "../../../../mesh/adapters/redis/redis_shared_rankings.ts";
import { LogTailLostError } from "../../../../mesh/ports/event_log.ts";
import {
  RecordsLostError,
  RecordStoreUnavailableError,
} from "../../../../mesh/ports/record_store.ts";
import { onceOf, testsOf, text, texts, type World } from "./own_server.ts";
import { PATIENT_MS, withPrograms } from "./servers.ts";
import { type Moves, MovingAddress, Pair } from "./pair_of_servers.ts";

/** Time within which a replica tells what is on its disk, ms: it does once a second. */
const TOLD_MS = 1_500;
/** A replica is sent the data at once. */
const quick = { "repl-diskless-sync-delay": "0" };

const write = (store: RedisRecordStore, key: string): Promise<unknown> =>
  store.transact((view) => view.set(key, 1), { keys: [key] });

const revisionOf = (store: RedisRecordStore): Promise<number> =>
  store.transact((view) => view.revision);

/** The result of `act`, made again until the store's connections and the replica are there. */
async function whenAvailable<R>(act: () => Promise<R>): Promise<R> {
  for (const endsMs = performance.now() + PATIENT_MS;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof RecordStoreUnavailableError) || performance.now() > endsMs) {
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A store whose record "b" is lost, with its server the primary again. */
async function storeAfterFailBack(
  world: World,
  pair: Pair,
  endsConnections: boolean,
): Promise<RedisRecordStore> {
  const store = new RedisRecordStore(await world.open());
  await write(store, "a");
  await pair.follow(pair.second);
  await pair.failBack(() => write(store, "b"), endsConnections);
  return store;
}

async function gateway(world: World) {
  const server = await world.open();
  const eventLog = await world.log(server);
  return { eventLog, rankings: new RedisSharedRankings({ server, eventLog, retainedMs: 60_000 }) };
}

withPrograms((program: ServerProgram) => {
  const [port, secondPort] = freePorts(2);
  const declare = testsOf(program);
  const test = (name: string, body: (world: World, pair: Pair) => Promise<void>) =>
    declare(name, async (world) => {
      const directory = `${world.directory}/second`;
      await Deno.mkdir(directory);
      const settings = { port: String(secondPort), ...quick };
      const second = await LocalServer.start({ program, directory, settings });
      const pair = new Pair([world.local.url, second.url], [port, secondPort]);
      try {
        await Promise.all([pair.first.connect(), pair.second.connect()]);
        await body(world, pair);
      } finally {
        pair.first.close();
        pair.second.close();
        await second.kill();
      }
    }, { port: String(port), ...quick });

  for (const endsConnections of [true, false]) {
    const how = endsConnections ? "" : " and connections have lasted";
    test(
      `a log notices lost records where its server is the primary again${how}`,
      async (world, pair) => {
        const log = await world.log(await world.open());
        for (let i = 0; i < 10; i++) await log.append(0, [text(`${i}`)]);
        await pair.follow(pair.second);
        await pair.failBack(async () => {
          for (let i = 10; i < 20; i++) await log.append(0, [text(`${i}`)]);
        }, endsConnections);
        const other = await world.log(await world.open());
        for (let i = 0; i < 50; i++) await other.append(0, [text(`new ${i}`)]);
        const error = await log.append(0, [text("20")]).catch((error) => error);
        assert.ok(error instanceof LogTailLostError, String(error));
        assert.deepEqual([error.known, error.found], [20, 10]);
        assert.equal((await texts(other)).length, 60, "it has appended nothing");
      },
    );

    test(
      `a log's own append finds lost records, as the first one behind them${how}`,
      async (world, pair) => {
        const log = await world.log(await world.open());
        await log.append(0, [text("a")]);
        await pair.follow(pair.second);
        await pair.failBack(() => log.append(0, [text("b")]), endsConnections);
        const error = await log.append(0, [text("c")]).catch((error) => error);
        assert.ok(error instanceof LogTailLostError, String(error));
        assert.deepEqual([error.known, error.found], [2, 1]);
      },
    );

    test(
      `an event waits for a lost ranking until its gateway has appended it again${how}`,
      async (world, pair) => {
        const [own, other] = [await gateway(world), await gateway(world)];
        await own.eventLog.append(0, [text("event")]);
        await pair.follow(pair.second);
        const ids = Array.from({ length: 100 }, (_, i) => `r${i}`);
        await pair.failBack(async () => {
          const append = (rankingId: string) =>
            own.rankings.append(0, { rankingId, items: [{ id: "a" }], bytes: text(rankingId) });
          await Promise.all(ids.map(append));
          await other.rankings.load(ids);
        }, endsConnections);
        const events = ids.map((id) => other.rankings.appendOnce(0, [onceOf(`e-${id}`)], [id]));
        const again = own.eventLog.append(0, [text("later")]);
        await Promise.all([again, ...events]);
        const records = await texts(own.eventLog);
        assert.equal(records.length, 2 + 2 * ids.length);
        for (const id of ids) {
          const [ranking, event] = [records.indexOf(id), records.indexOf(`e-${id}`)];
          assert.ok(ranking > 0 && event > ranking, `${id} at ${ranking}, its event at ${event}`);
        }
        for (const { rankings } of [own, other]) rankings.close();
      },
    );
  }

  test(
    "lost records of the mesh are noticed where their server is the primary again",
    async (world, pair) => {
      const store = await storeAfterFailBack(world, pair, true);
      const other = new RedisRecordStore(await world.open());
      for (const key of ["c", "d", "e"]) await write(other, key);
      let error: unknown;
      // The connections of the store are made anew meanwhile.
      for (let i = 0; i < 100 && !(error instanceof RecordsLostError); i++) {
        error = await write(store, "f").then(() => undefined, (error) => error);
        if (error === undefined) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.ok(error instanceof RecordsLostError, String(error));
      for (const each of [store, other]) await each.close();
    },
  );

  for (const endsConnections of [true, false]) {
    const how = endsConnections ? "" : " and connections have lasted";
    test(
      `the mesh goes on where its server has lost only writes that no replica had${how}`,
      async (world, pair) => {
        await pair.follow(pair.second);
        const writer = new RedisRecordStore(
          await world.open({ replicas: 1, durableWaitMs: TOLD_MS }),
        );
        const reader = new RedisRecordStore(await world.open({ replicas: 1 }));
        await whenAvailable(() => write(writer, "a"));
        const known = await revisionOf(reader);
        const heard = reader.watch(known, PATIENT_MS);
        await pair.failBack(async () => {
          const lost = writer.transact((view) => {
            view.set("b", 1);
            view.skipRevisions(100);
          });
          await assert.rejects(lost, RecordStoreUnavailableError);
          assert.equal(await heard, known + 101, "it has heard of a write that will be lost");
        }, endsConnections);
        await pair.follow(pair.second);
        for (const store of [reader, writer]) {
          assert.equal(await whenAvailable(() => revisionOf(store)), known);
        }
        const watched = [reader, writer].map((store) => store.watch(known, PATIENT_MS));
        await whenAvailable(() => write(reader, "c"));
        for (const revision of await Promise.all(watched)) {
          assert.ok(revision > known && revision < known + 101, `${revision} is a new write's`);
        }
        const keys = await reader.transact((view) => view.entries("").map(([key]) => key));
        assert.deepEqual(keys, ["a", "c"]);
        for (const each of [reader, writer]) await each.close();
      },
    );
  }

  test(
    "a process that only reads goes on where its server gets its first replica",
    async (world, pair) => {
      const [writer, reader] = [
        await world.log(await world.open()),
        await world.log(await world.open()),
      ];
      const store = new RedisRecordStore(await world.open());
      const other = new RedisRecordStore(await world.open());
      const read = () => store.transact((view) => view.get("k"), { keys: ["k"] });
      await writer.append(0, [text("a")]);
      await read();
      await pair.follow(pair.second);
      await writer.append(0, [text("b")]);
      assert.deepEqual(await texts(reader), ["a", "b"]);
      await other.transact((view) => view.set("k", 1), { keys: ["k"] });
      assert.equal(await read(), 1);
      for (const each of [store, other]) await each.close();
    },
  );

  test(
    "a connection whose server has become a replica is not read from any more",
    async (world, pair) => {
      const server = await world.open();
      await pair.follow(pair.first);
      await assert.rejects(server.reads.readReport(), RedisUnavailableError);
      assert.equal(server.reads.isReady, false);
      await pair.promote(pair.first);
    },
  );

  test(
    "records of another history are not read where their server is the primary again",
    async (world, pair) => {
      const store = await storeAfterFailBack(world, pair, false);
      const other = new RedisRecordStore(await world.open());
      await write(other, "c");
      const read = store.transact((view) => view.get("b"), { keys: ["b"] });
      await assert.rejects(read, RecordsLostError);
      for (const each of [store, other]) await each.close();
    },
  );

  test("logs and records go on where their server gets its first replica", async (world, pair) => {
    const server = await world.open();
    const log = await world.log(server);
    const store = new RedisRecordStore(server);
    const followed: string[] = [];
    const remove = log.onAppended(0, () => {});
    await log.append(0, [text("a")]);
    const { replicationId } = server.commands;
    await pair.follow(pair.second);
    await server.commands.readReport();
    assert.notEqual(
      server.commands.replicationId,
      replicationId,
      "the replication id is another one",
    );
    for (const record of ["b", "c"]) await log.append(0, [text(record)]);
    assert.deepEqual(await texts(log), ["a", "b", "c"]);
    for (const { bytes } of await log.read(0, 0, 10, "follower")) {
      followed.push(new TextDecoder().decode(bytes));
    }
    assert.deepEqual(followed, ["a", "b", "c"]);
    await store.transact((view) => view.set("k", 1), { keys: ["k"] });
    assert.equal(await store.transact((view) => view.get("k"), { keys: ["k"] }), 1);
    remove();
    await store.close();
  });

  /** The stores of a process that reaches its server by the address. */
  const processAt = async (world: World, { url }: MovingAddress) => {
    const server = await world.open({ url });
    const log = await world.log(server);
    const store = new RedisRecordStore(server);
    const profiles = await RedisProfileStore.open({
      server,
      writer: crypto.randomUUID(),
      cacheBytesMax: 1e6,
    });
    return {
      log,
      store,
      profiles,
      /** Writes an event, a record and a profile. */
      async write(key: string) {
        await log.append(0, [text(key)]);
        await whenAvailable(() => write(store, key));
        await profiles.put("item", key, {});
      },
      async close() {
        await store.close();
        await profiles.close();
      },
    };
  };

  /** Declares a test of processes that reach the first server by an address, and its replica. */
  const testMoving = (
    name: string,
    body: (open: () => ReturnType<typeof processAt>, moves: Moves) => Promise<void>,
  ) =>
    test(name, async (world, pair) => {
      // With its first replica a server begins another run: these processes have not seen it.
      await pair.follow(pair.second);
      using address = new MovingAddress(port);
      await body(() => processAt(world, address), {
        forth: async () => {
          await pair.follow(pair.second);
          await pair.promote(pair.second);
          address.moveTo(secondPort);
        },
        followedBack: async () => {
          await pair.follow(pair.first);
          await pair.promote(pair.first);
          address.moveTo(port);
        },
        back: () => address.moveTo(port),
      });
    });

  testMoving(
    "all stores find what an old primary lacks that never followed the new one",
    async (open, moves) => {
      const [own, other] = [await open(), await open()];
      await own.write("a");
      await other.write("b");
      await moves.forth();
      for (const key of ["c", "d"]) await own.write(key);
      moves.back();
      // It knows nothing of the new primary's records, and takes their offsets.
      for (const key of ["e", "f", "g"]) await other.write(key);
      const lost = await own.log.append(0, [text("h")]).catch((error) => error);
      assert.ok(lost instanceof LogTailLostError, String(lost));
      assert.deepEqual([lost.known, lost.found], [4, 2]);
      await assert.rejects(whenAvailable(() => write(own.store, "h")), RecordsLostError);
      await own.profiles.put("item", "h", {});
      assert.deepEqual([own, other].map(({ profiles }) => profiles.changesLost()), [2, 0]);
      assert.deepEqual(await texts(other.log), ["a", "b", "e", "f", "g"]);
      for (const each of [own, other]) await each.close();
    },
  );

  testMoving(
    "rankings that only the new primary had are appended to the old one again",
    async (open, moves) => {
      const { log, close } = await open();
      await log.append(0, [text("event")]);
      await log.append(0, [text("a")], "written");
      await moves.forth();
      await log.append(0, [text("b")], "written");
      moves.back();
      await log.append(0, [text("later")]);
      assert.deepEqual(await texts(log), ["event", "a", "b", "later"]);
      await close();
    },
  );

  testMoving(
    "nothing is taken for lost where a planned failover goes forth and back",
    async (open, moves) => {
      const [own, quiet] = [await open(), await open()];
      await own.write("a");
      assert.deepEqual(await texts(quiet.log), ["a"]);
      await moves.forth();
      await own.write("b");
      await moves.followedBack();
      for (const each of [own, quiet]) await each.write("c");
      assert.deepEqual(await texts(quiet.log), ["a", "b", "c", "c"]);
      for (const { profiles, close } of [own, quiet]) {
        assert.equal(profiles.changesLost(), 0);
        await close();
      }
    },
  );

  testMoving(
    "nothing is taken for lost where nothing was written meanwhile",
    async (open, moves) => {
      const { write, log, close } = await open();
      await write("a");
      await moves.forth();
      assert.deepEqual(await texts(log), ["a"]);
      moves.back();
      await write("b");
      assert.deepEqual(await texts(log), ["a", "b"]);
      await close();
    },
  );
});
