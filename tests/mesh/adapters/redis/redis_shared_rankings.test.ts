/**
 * Rankings that gateways share on a real server: one step logs a ranking and makes it known.
 */
import assert from "node:assert/strict";
import { LocalServer, type ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { RedisSharedRankings } from "../../../../mesh/adapters/redis/redis_shared_rankings.ts";
import { LogFullError, LogUnavailableError } from "../../../../mesh/ports/event_log.ts";
import {
  RankingExistsError,
  type RankingRecord,
  UNLOGGED_ITEM,
} from "../../../../mesh/ports/shared_rankings.ts";
import { eventually } from "../../../integration/mesh_process.ts";
import { testsOf, text, texts } from "./own_server.ts";
import { PATIENT_MS, patientBudgets, withPrograms } from "./servers.ts";

/** A gateway's view of the server. */
interface Gateway {
  readonly eventLog: RedisEventLog;
  readonly rankings: RedisSharedRankings;
}

interface World {
  readonly server: RedisServer;
  readonly own: Gateway;
  readonly other: Gateway;
}

const RETAINED_MS = 60_000;
const BYTES_MAX = 1_000;

function ranking(rankingId: string, items: readonly string[], bytes = 8): RankingRecord {
  return { rankingId, items: items.map((id) => ({ id })), bytes: new Uint8Array(bytes) };
}

withPrograms((program: ServerProgram) => {
  const test = (name: string, body: (world: World) => Promise<void>) =>
    Deno.test(`${program}: ${name}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
      const local = await LocalServer.start({ program, directory });
      const server = await RedisServer.open({ url: local.url, mesh: "m", deadlineMs: PATIENT_MS });
      const gateway = async (): Promise<Gateway> => {
        const eventLog = await RedisEventLog.open({
          server,
          name: "events",
          partitions: 2,
          bytesMax: BYTES_MAX,
          writer: crypto.randomUUID(),
          ...patientBudgets,
        });
        const rankings = new RedisSharedRankings({
          server,
          eventLog,
          retainedMs: RETAINED_MS,
          sharingMs: 0,
        });
        return { eventLog, rankings };
      };
      const [own, other] = [await gateway(), await gateway()];
      try {
        await body({ server, own, other });
      } finally {
        for (const { eventLog, rankings } of [own, other]) {
          rankings.close();
          await eventLog.close();
        }
        server.close();
        await local.kill();
        await Deno.remove(directory, { recursive: true });
      }
    });

  test("the step that logs rankings makes them known, each until it expires", async ({ server, own, other }) => {
    const ids = ["r1", "r2", "r3"];
    const action = own.eventLog.append(1, [new Uint8Array(4)]);
    const offsets = await Promise.all(ids.map((id) => own.rankings.append(1, ranking(id, [id]))));
    assert.deepEqual(offsets, [1, 2, 3]);
    assert.equal(await action, 0);
    const records = await other.eventLog.read(1, 0, 10);
    assert.deepEqual(records.map(({ bytes }) => bytes.length), [4, 8, 8, 8]);
    await other.rankings.load(ids);
    for (const id of ids) {
      assert.deepEqual(
        [other.rankings.check(id, id), other.rankings.check(id, "z")],
        ["shown", "item-not-shown"],
      );
      const leftMs = await server.commands.send<number>(["PTTL", server.key(`ranking:${id}`)]);
      assert.ok(leftMs > RETAINED_MS - 10_000 && leftMs <= RETAINED_MS, String(leftMs));
    }
  });

  test("a ranking of an id that another gateway has used is refused, and those beside it are taken", async ({ own, other }) => {
    await own.rankings.append(0, ranking("r", ["a"]));
    const beside = ["r1", "r2"].map((id) => other.rankings.append(0, ranking(id, ["b"])));
    const again = other.rankings.append(0, ranking("r", ["b"]));
    await assert.rejects(again, RankingExistsError);
    assert.deepEqual(await Promise.all(beside), [1, 2]);
    assert.equal(other.eventLog.refusal(), undefined);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "a"), "shown");
  });

  test("one used id among many rankings costs one script more, and all keep their order", async ({ server, own, other }) => {
    await own.rankings.append(0, ranking("r", ["a"]));
    const scripts = async () => {
      const stats = await server.commands.send<string>(["INFO", "commandstats"]);
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
    };
    const before = await scripts();
    const ids = Array.from({ length: 100 }, (_, i) => i === 50 ? "r" : `r${i}`);
    const outcomes = await Promise.allSettled(
      ids.map((id) => other.rankings.append(0, ranking(id, ["b"]))),
    );
    const offsets = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
    assert.deepEqual(offsets, Array.from({ length: 99 }, (_, i) => i + 1));
    const used = await scripts() - before;
    assert.ok(used < 20, `${used} scripts`);
  });

  test("a ranking that was known as unlogged is appended under its id", async ({ own, other }) => {
    await own.rankings.remember("r", [{ id: "a" }, { id: UNLOGGED_ITEM }]);
    assert.equal(await own.rankings.append(0, ranking("r", ["a"])), 0);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", UNLOGGED_ITEM), "item-not-shown");
  });

  test("the mark of an unlogged ranking leaves the logged one of another gateway", async ({ own, other }) => {
    await own.rankings.append(0, ranking("r", ["a"]));
    await other.rankings.remember("r", [{ id: "b" }, { id: UNLOGGED_ITEM }]);
    await other.rankings.load(["r"]);
    const found = ["a", "b", UNLOGGED_ITEM].map((item) => other.rankings.check("r", item));
    assert.deepEqual(found, ["shown", "item-not-shown", "item-not-shown"]);
  });

  test("all rankings of a load are known after it, also where there is room for no more", async ({ own, other: { rankings } }) => {
    for (const id of ["r1", "r2"]) await own.rankings.append(0, ranking(id, ["a"]));
    await rankings.load(["r1"]);
    await rankings.load(Array.from({ length: 9_999 }, (_, i) => `none ${i}`));
    await rankings.load(["r1", "r2"]);
    for (const id of ["r1", "r2"]) assert.equal(rankings.check(id, "a"), "shown", id);
  });

  test("an append that fails beside a load leaves its rankings known", async ({ server, own }) => {
    for (const id of ["r1", "r2"]) await own.rankings.append(0, ranking(id, ["a"]));
    const failure = new LogUnavailableError("the log", "Send it again.", "no replica", true);
    const eventLog = { refusal: () => undefined, appendOnce: () => Promise.reject(failure) };
    const other = new RedisSharedRankings({
      server,
      eventLog: eventLog as unknown as RedisEventLog,
      retainedMs: RETAINED_MS,
    });
    await other.load(["r1"]);
    const loading = other.load(["r1", "r2"]);
    await assert.rejects(other.appendOnce(0, [], ["r1"]), LogUnavailableError);
    await loading;
    for (const id of ["r1", "r2"]) assert.equal(other.check(id, "a"), "shown", id);
    other.close();
  });

  test("a ranking that the full log refuses is not known", async ({ own, other }) => {
    await assert.rejects(
      own.rankings.append(0, ranking("r", ["a"], BYTES_MAX + 1)),
      (error) => error instanceof LogFullError,
    );
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "a"), "unknown-ranking");
    assert.equal(await own.rankings.append(0, ranking("r", ["a"])), 0);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "a"), "shown");
  });

  test("a gateway whose log takes no rankings does not call one of another gateway unknown", async ({ own, other }) => {
    await own.rankings.append(0, ranking("known", ["a"]));
    await assert.rejects(other.eventLog.append(0, [new Uint8Array(BYTES_MAX + 1)]), LogFullError);
    await other.rankings.load(["known"]);
    assert.equal(other.rankings.check("known", "a"), "shown");
    const unread = await other.rankings.load(["known", "r"]);
    assert.deepEqual([...unread.keys()], ["r"]);
    assert.ok(unread.get("r") instanceof LogFullError);
    await own.rankings.remember("r", [{ id: "b" }]);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "b"), "shown");
  });

  test("a server without memory takes neither a ranking nor its items", async ({ server, own, other }) => {
    await server.commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    await assert.rejects(own.rankings.append(0, ranking("r", ["a"])), /maxmemory/);
    assert.equal(await own.eventLog.endOffset(0), 0);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "a"), "unknown-ranking");
    // The ranking was answered all the same, and is known when there is memory again.
    await own.rankings.remember("r", [{ id: "a" }, { id: UNLOGGED_ITEM }]);
    assert.equal(own.rankings.unshared, 1);
    // The other gateway has not met the full server: it has written nothing itself.
    assert.ok((await other.rankings.load(["r"])).get("r") instanceof LogFullError);
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    assert.ok(await eventually(() => Promise.resolve(own.rankings.unshared === 0)));
    assert.equal((await other.rankings.load(["r", "none"])).size, 0);
    assert.equal(other.rankings.check("r", UNLOGGED_ITEM), "shown");
  });

  test("a gateway for which the server had no memory a moment ago calls no ranking unknown", async ({ server, own }) => {
    const full = new LogFullError("events", "has no memory", true);
    const eventLog = { refusal: () => undefined, appendWith: () => Promise.reject(full) };
    const { url, commands } = server;
    const key = (name: string) => server.key(name);
    const connectedForLong = {
      url,
      commands,
      key,
      runs: { enteredMs: Infinity, changedMs: Infinity },
    };
    const rankings = new RedisSharedRankings({
      server: connectedForLong as unknown as RedisServer,
      eventLog: eventLog as unknown as RedisEventLog,
      retainedMs: RETAINED_MS,
      sharingMs: PATIENT_MS,
    });
    await rankings.load(["r"]);
    assert.equal(rankings.check("r", "a"), "unknown-ranking");
    await assert.rejects(rankings.append(0, ranking("other", ["a"])), LogFullError);
    assert.match(String((await rankings.load(["r"])).get("r")), /Send the request again/);
    await own.rankings.append(0, ranking("r", ["a"]));
    await rankings.load(["r"]);
    assert.equal(rankings.check("r", "a"), "shown");
    rankings.close();
  });

  test("a gateway that has just started asks for events on unknown rankings again", async ({ server, own, other }) => {
    const { eventLog } = own;
    const started = new RedisSharedRankings({
      server,
      eventLog,
      retainedMs: RETAINED_MS,
      sharingMs: Infinity,
    });
    await own.rankings.append(0, ranking("known", ["a"]));
    await started.load(["known"]);
    assert.equal(started.check("known", "a"), "shown");
    const unread = await started.load(["known", "other"]);
    assert.deepEqual([...unread.keys()], ["other"]);
    assert.match(
      String(unread.get("other")),
      /Cannot read the rankings at .*a moment ago\. Send the request again/,
    );
    assert.equal((await other.rankings.load(["other"])).size, 0);
    assert.equal(other.rankings.check("other", "a"), "unknown-ranking");
    started.close();
  });

  test("items that a full server refuses are shared when it has room", async ({ server, own, other }) => {
    await server.commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    await own.rankings.remember("r", [{ id: "a" }]);
    assert.equal(own.rankings.unshared, 1);
    await other.rankings.load(["r"]);
    assert.equal(other.rankings.check("r", "a"), "unknown-ranking");
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    assert.ok(await eventually(() => Promise.resolve(own.rankings.unshared === 0)));
    await other.rankings.load(["r"]);
    assert.deepEqual(
      [other.rankings.check("r", "a"), other.rankings.check("r", "b")],
      ["shown", "item-not-shown"],
    );
  });

  test("items that wait to be shared do not replace those that come later", async ({ server, own, other }) => {
    await server.commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    for (const id of ["r", "last"]) await own.rankings.remember(id, [{ id: "a" }]);
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    await own.rankings.remember("r", [{ id: "a" }, { id: "b" }]);
    assert.ok(await eventually(() => Promise.resolve(own.rankings.unshared === 0)));
    await other.rankings.load(["r", "last"]);
    assert.deepEqual(
      [other.rankings.check("r", "b"), other.rankings.check("last", "a")],
      ["shown", "shown"],
    );
  });

  testsOf(program)(
    "a ranking that is lost with an event before it is durable comes back with it, and is known",
    async (world) => {
      const server = await world.open();
      const eventLog = await world.log(server);
      const rankings = new RedisSharedRankings({
        server,
        eventLog,
        retainedMs: RETAINED_MS,
        sharingMs: 0,
      });
      await eventLog.append(0, [text("before")]);
      const restore = await world.copyData();
      await server.commands.send(["CONFIG", "SET", "appendfsync", "no"]); // nothing becomes durable
      const event = eventLog.append(0, [text("event")]);
      assert.equal(await rankings.append(0, ranking("r", ["a"])), 2);
      await restore();
      assert.equal(await event, 1);
      assert.equal((await texts(eventLog)).length, 3);
      await rankings.load(["r"]);
      assert.equal(rankings.check("r", "a"), "shown");
      rankings.close();
    },
    { appendfsync: "everysec" },
  );
});
