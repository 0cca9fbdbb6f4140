/**
 * Goal: rankings, which are appended without a wait for the disk, are in the log after a failover
 * that lost them, once each, or the log refuses. Method: real servers that get an older copy of
 * their data, as by a failover to a replica that was behind, or that lose a log while their
 * connections stay.
 */
import assert from "node:assert/strict";
import type { ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { RedisSharedRankings } from "../../../../mesh/adapters/redis/redis_shared_rankings.ts";
import { RankingsAwaitedError, UNLOGGED_ITEM } from "../../../../mesh/ports/shared_rankings.ts";
import {
  LogFullError,
  LogTailLostError,
  LogUnavailableError,
  SealedPartitionError,
} from "../../../../mesh/ports/event_log.ts";
import { eventually } from "../../../integration/mesh_process.ts";
import { onceOf, testsOf, text, texts, type World } from "./own_server.ts";
import { withPrograms } from "./servers.ts";

const debug = { "enable-debug-command": "yes" };

/** The server loses the log's records, and begins another run with the same connections. */
async function loseLog({ commands, key }: { commands: RedisServer["commands"]; key: string }) {
  const names = ["next:0", "total:0", "bytes"];
  const writers = await commands.send<string[]>(["KEYS", `${key}:writer:*`]);
  const rankings = await commands.send<string[]>(["KEYS", "*ranking:*"]);
  await commands.send(["DEL", `${key}:0`, ...writers, ...rankings]);
  await commands.send(["HDEL", key, ...names]);
  await commands.send(["DEBUG", "CHANGE-REPL-ID"]);
}

/** How often the server has run a command. */
async function callsOf({ commands }: RedisServer, command: string): Promise<number> {
  const stats = await commands.send<string>(["INFO", "commandstats"]);
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** @param sharingMs Default: other gateways may append lost rankings again for ever. */
async function gatewayOf(
  world: World,
  sharingMs = Infinity,
  leaseMs = 0,
): Promise<RedisSharedRankings> {
  const server = await world.open();
  const eventLog = await world.log(server);
  return new RedisSharedRankings({ server, eventLog, retainedMs: 60_000, sharingMs, leaseMs });
}

withPrograms((program: ServerProgram) => {
  const test = testsOf(program);

  test("callers that come while a run is entered share its script", async (world) => {
    const server = await world.open();
    const before = await callsOf(server, "evalsha");
    server.runs.leave();
    const runs = await Promise.all(Array.from({ length: 100 }, () => server.runs.current()));
    assert.equal(new Set(runs).size, 1);
    assert.equal(await callsOf(server, "evalsha") - before, 1);
  });

  test("rankings that a failover loses are appended again by themselves, once each", async (world) => {
    const log = await world.log(await world.open());
    await log.append(0, [text("event")]);
    for (const record of ["a", "b"]) await log.append(0, [text(record)], "written");
    const restore = await world.copyData();
    for (const record of ["c", "d", "e"]) await log.append(0, [text(record)], "written");
    await restore();
    const other = await world.log(await world.open());
    assert.ok(await eventually(async () => (await other.endOffset(0)) === 6));
    await log.append(0, [text("later")]);
    assert.deepEqual(await texts(other), ["event", "a", "b", "c", "d", "e", "later"]);
  });

  test("rankings are appended again behind those of others, and those that are there are not", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    for (const record of ["a", "b"]) await log.append(0, [text(record)], "written");
    const restore = await world.copyData();
    await log.append(0, [text("c")], "written");
    await restore();
    const other = await world.log(await world.open());
    await other.append(0, [text("other")]);
    assert.ok(await eventually(async () => (await other.endOffset(0)) === 4));
    assert.deepEqual((await texts(other)).toSorted(), ["a", "b", "c", "other"]);
  });

  test("a gateway knows a ranking again when its own gateway has appended it again", async (world) => {
    const [own, other] = [await gatewayOf(world), await gatewayOf(world)];
    const restore = await world.copyData();
    await own.append(0, { rankingId: "r", items: [{ id: "a" }], bytes: text("r") });
    await other.load(["r"]);
    assert.equal(other.check("r", "a"), "shown");
    await restore();
    assert.ok(await eventually(() => Promise.resolve(other.check("r", "a") !== "shown")));
    assert.ok(
      await eventually(async () => {
        await other.load(["r"]);
        return other.check("r", "a") === "shown";
      }),
    );
    for (const each of [own, other]) each.close();
  });

  test("many rankings are made sure of together, and their loss is found", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    const restore = await world.copyData();
    const record = new Uint8Array(300_000);
    for (let i = 0; i < 5; i++) await log.append(0, [record], "written");
    // The wait for them began before this one.
    await server.barrier.passRead((await server.runs.current()).id);
    await restore();
    const error = await log.append(0, [text("a")]).catch((error) => error);
    assert.ok(error instanceof LogTailLostError, String(error));
  });

  test("while nothing becomes durable a log takes rankings up to a bound", async (world) => {
    const server = await world.open({ durableWaitMs: 10, lookMs: 60_000 });
    const log = await world.log(server);
    await server.commands.send(["CONFIG", "SET", "appendfsync", "no"]);
    const record = new Uint8Array(8 * 2 ** 20);
    for (let i = 0; i < 8; i++) await log.append(0, [record], "written");
    const error = await log.append(0, [record], "written").catch((error) => error);
    assert.ok(error instanceof LogUnavailableError && error.isAway, String(error));
    assert.match(error.message, /67108864 bytes wait to be durable/);
    await server.commands.send(["CONFIG", "SET", "appendfsync", "always"]);
    assert.ok(
      await eventually(() => log.append(0, [record], "written").then(() => true, () => false)),
    );
  });

  const everySecond = { appendfsync: "everysec" };
  const syncsOf = (server: RedisServer) => callsOf(server, "waitaof");

  test("a ranking is made sure of when it is old", async (world) => {
    const server = await world.open();
    const log = await world.log(server, { unconfirmedMsMax: 20 });
    const before = await syncsOf(server);
    await log.append(0, [text("a")], "written");
    assert.ok(await eventually(async () => await syncsOf(server) > before));
  }, everySecond);

  test("a log that closes makes sure of its last rankings", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    const before = await syncsOf(server);
    const event = log.append(0, [text("event")]);
    await server.commands.send(["PING"]); // The event is written.
    await log.append(0, [text("a")], "written"); // while it is made sure of
    await log.close();
    await event;
    assert.ok(await syncsOf(server) >= before + 2);
  }, everySecond);

  test("lost rankings wait for room on a full server", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    for (const record of ["a", "b"]) await log.append(0, [text(record)], "written");
    const { commands } = await world.open();
    await loseLog({ commands, key: server.key("log:events") });
    await commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    await assert.rejects(log.append(0, [text("c")], "written"), LogFullError);
    await commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    await log.append(0, [text("d")]);
    assert.deepEqual(await texts(log), ["a", "b", "d"]);
  }, debug);

  test("events come behind the lost rankings of their process", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    for (const record of ["a", "b"]) await log.append(0, [text(record)], "written");
    await loseLog({ commands: server.commands, key: server.key("log:events") });
    await log.appendOnce(0, [onceOf("event")]);
    assert.deepEqual(await texts(log), ["a", "b", "event"]);
  }, debug);

  const losses = { nothing: [], "its mark as unlogged": [{ id: "a" }, { id: UNLOGGED_ITEM }] };
  for (const [left, marked] of Object.entries(losses)) {
    test(
      `an event waits for a ranking of another gateway of which a failover left ${left}`,
      async (world) => {
        const [own, other] = [await gatewayOf(world), await gatewayOf(world)];
        await own.append(0, { rankingId: "r", items: [{ id: "a" }], bytes: text("r") });
        await other.load(["r"]);
        const server = await world.open();
        await loseLog({ commands: server.commands, key: server.key("log:events") });
        if (marked.length > 0) await own.remember("r", marked);
        const event = other.appendOnce(0, [onceOf("event")], ["r", "r"]);
        assert.ok(
          await eventually(async () => await callsOf(server, "getrange") > 1),
          "it looks again",
        );
        await own.append(0, { rankingId: "r2", items: [{ id: "a" }], bytes: text("r2") });
        assert.deepEqual(await event, [{ kind: "appended", acceptedAtMs: 0 }]);
        const log = await world.log(server);
        const ofRanking = (await texts(log)).filter((record) => record !== "r2");
        assert.deepEqual(ofRanking, ["r", "event"]);
        for (const each of [own, other]) each.close();
      },
      debug,
    );
  }

  test(
    "for two leases of a new run, a ranking that is not there is awaited from a slow gateway",
    async (world) => {
      const own = await gatewayOf(world);
      const [within, after] = [await gatewayOf(world, 0, Infinity), await gatewayOf(world, 0, 0)];
      const gateways = [within, after];
      await own.append(0, { rankingId: "r", items: [{ id: "a" }], bytes: text("r") });
      for (const gateway of gateways) {
        await gateway.load(["none"]);
        assert.equal(gateway.check("none", "a"), "unknown-ranking", "no other run was before");
      }
      const server = await world.open();
      await loseLog({ commands: server.commands, key: server.key("log:events") });
      // An append of its own tells each of the new run.
      for (const gateway of gateways) await gateway.appendOnce(0, [onceOf("other")], []);
      assert.ok((await within.load(["r"])).get("r") instanceof RankingsAwaitedError);
      assert.equal((await after.load(["r"])).size, 0);
      assert.equal(after.check("r", "a"), "unknown-ranking");
      await own.append(0, { rankingId: "r2", items: [{ id: "a" }], bytes: text("r2") });
      await within.load(["r"]);
      assert.equal(within.check("r", "a"), "shown");
      for (const each of [own, ...gateways]) each.close();
    },
    debug,
  );

  test(
    "lost rankings of a sealed partition go to the next one, before an event there",
    async (world) => {
      const server = await world.open();
      const log = await world.log(server, { partitionOf: () => 1 });
      const key = server.key("ranking:a");
      const bytes = text("items");
      await log.appendWith(0, text("a"), { key, bytes, retainedMs: 60_000, replacesEnd: bytes });
      await loseLog({ commands: server.commands, key: server.key("log:events") });
      const other = await world.log(await world.open());
      await other.extend({ firstPartition: 1, partitions: 2 });
      await assert.rejects(log.append(0, [text("b")], "written"), SealedPartitionError);
      await log.appendOnce(1, [onceOf("event")]);
      assert.deepEqual([await texts(log, 0), await texts(log, 1)], [[], ["a", "event"]]);
      assert.equal(await server.commands.send(["GET", key]), "items");
    },
    debug,
  );

  test("a lost ranking whose id was used again meanwhile is appended again", async (world) => {
    const [own, other] = [await gatewayOf(world), await gatewayOf(world)];
    const rank = (rankings: RedisSharedRankings, rankingId: string, record: string) =>
      rankings.append(0, { rankingId, items: [{ id: "a" }], bytes: text(record) });
    await rank(own, "r", "first");
    const server = await world.open();
    await loseLog({ commands: server.commands, key: server.key("log:events") });
    await rank(other, "r", "second");
    await rank(own, "r2", "later");
    assert.deepEqual(await texts(await world.log(server)), ["second", "first", "later"]);
    for (const each of [own, other]) each.close();
  }, debug);

  test("an event on a ranking that no gateway appends again is refused, and the ranking unknown", async (world) => {
    const own = await gatewayOf(world);
    const other = await gatewayOf(world, 0);
    await own.append(0, { rankingId: "r", items: [{ id: "a" }], bytes: text("r") });
    await other.load(["r"]);
    const server = await world.open();
    await server.commands.send(["DEL", server.key("ranking:r")]);
    const error = await other.appendOnce(0, [onceOf("event")], ["r"]).catch((error) => error);
    assert.ok(error instanceof LogUnavailableError && error.isAway, String(error));
    assert.match(error.message, /Redis lacks a ranking.*Send the events again/);
    await other.load(["r"]);
    assert.equal(other.check("r", "a"), "unknown-ranking");
    assert.deepEqual(await texts(await world.log(server)), ["r"]);
    for (const each of [own, other]) each.close();
  });

  test("a log that cannot append lost rankings again refuses", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    await log.append(0, [text("a")], "written");
    await loseLog({ commands: server.commands, key: server.key("log:events") });
    const other = await world.log(await world.open());
    await other.extend({ firstPartition: 1, partitions: 2 });
    const event = { content: "", acceptedAtMs: 0, bytes: text("12345678"), endsWithTime: true };
    await assert.rejects(
      log.append(0, [text("b")], "written"),
      (error) => error instanceof LogTailLostError && error.known === 1 && error.found === 0,
    );
    await assert.rejects(log.appendOnce(0, [{ id: "e", ...event }]), LogTailLostError);
  }, debug);
});
