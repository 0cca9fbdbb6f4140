/**
 * Goal: what was answered is durable when the barrier is passed, with as few syncs as the server's
 * settings allow. Method: real servers, whose settings change and which count their commands.
 */
import assert from "node:assert/strict";
import {
  DurabilityBarrier,
  NotDurableError,
} from "../../../../mesh/adapters/redis/durability_barrier.ts";
import {
  RedisConnection,
  RedisUnavailableError,
} from "../../../../mesh/adapters/redis/redis_connection.ts";
import { LocalServer } from "../../../../mesh/adapters/redis/local_server.ts";
import { ServerRuns } from "../../../../mesh/adapters/redis/server_runs.ts";
import { PATIENT_MS, withPrograms } from "./servers.ts";

/** The settings of the last round hold for the whole test. */
const HOLDS_MS = 60_000;

withPrograms((program) => {
  const test = (name: string, body: (world: World) => Promise<void>) =>
    Deno.test(`${program}: ${name}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
      const settings = { "enable-debug-command": "yes" };
      const local = await LocalServer.start({ program, directory, settings });
      const connection = new RedisConnection({ url: local.url, deadlineMs: PATIENT_MS });
      try {
        await connection.connect();
        const runs = new ServerRuns(connection, "");
        await body({ local, connection, runs });
      } finally {
        connection.close();
        await local.kill();
        await Deno.remove(directory, { recursive: true });
      }
    });

  test("a server that syncs before it answers is asked once for many passes", async (world) => {
    const barrier = barrierOf(world);
    const { id: runId } = await world.runs.current();
    for (let i = 0; i < 20; i++) await barrier.pass(runId);
    assert.equal(await syncsOf(world), 1);
  });

  test("the settings are read again when their time is over", async (world) => {
    const barrier = barrierOf(world, { settingsMs: 0 });
    const { id } = await world.runs.current();
    for (let i = 0; i < 3; i++) await barrier.pass(id);
    assert.equal(await syncsOf(world), 1, "a look at the settings is enough");
    await world.connection.send(["CONFIG", "SET", "appendfsync", "everysec"]);
    for (let i = 0; i < 2; i++) await barrier.pass(id);
    assert.equal(await syncsOf(world), 3);
    await world.connection.send(["CONFIG", "SET", "appendfsync", "always"]);
    for (let i = 0; i < 2; i++) await barrier.pass(id);
    assert.equal(await syncsOf(world), 4);
  });

  test("settings hold from the begin of their round, however late its answer is", async (world) => {
    const barrier = barrierOf(world, { settingsMs: 200 });
    const { id } = await world.runs.current();
    await world.connection.send(["CLIENT", "PAUSE", 300, "WRITE"]);
    await barrier.pass(id);
    await world.connection.send(["CONFIG", "SET", "appendfsync", "everysec"]);
    await barrier.pass(id);
    assert.equal(await syncsOf(world), 2);
  });

  for (
    const [setting, value] of [["appendfsync", "everysec"], ["no-appendfsync-on-rewrite", "yes"]]
  ) {
    test(`each pass has a round under ${setting} ${value}`, async (world) => {
      await world.connection.send(["CONFIG", "SET", setting, value]);
      const barrier = barrierOf(world);
      for (let i = 0; i < 3; i++) await barrier.pass((await world.runs.current()).id);
      assert.equal(await syncsOf(world), 3);
    });
  }

  test("each pass has a round where the settings cannot be read", async (world) => {
    const { connection, runs } = world;
    const { id } = await runs.current();
    await connection.send(["ACL", "SETUSER", "cairn", "on", ">pw", "~*", "+@all", "-config"]);
    await connection.send(["AUTH", "cairn", "pw"]);
    const barrier = barrierOf(world);
    for (let i = 0; i < 3; i++) await barrier.pass(id);
    assert.equal(await syncsOf(world), 3);
  });

  test("replicas that are asked for are waited for at each pass", async (world) => {
    const barrier = barrierOf(world, { replicas: 1, waitMs: 1 });
    const { id } = await world.runs.current();
    for (let i = 0; i < 2; i++) {
      await assert.rejects(barrier.pass(id), NotDurableError);
    }
    assert.equal(await syncsOf(world), 2);
  });

  test("another run of the server is not passed by the settings of the last one", async (world) => {
    const { connection, local, runs } = world;
    const barrier = barrierOf(world);
    const { id: runId } = await runs.current();
    await barrier.pass(runId);
    await local.kill();
    await local.start();
    await connection.connect().catch(() => {});
    await readyAgain(connection);
    const next = await runs.current();
    assert.notEqual(next.id, runId);
    // It was answered under the earlier run, which had synced it before.
    await barrier.pass(runId);
    await barrier.pass(next.id);
    await assert.rejects(barrier.pass(runId), RedisUnavailableError);
    assert.equal(await syncsOf(world), 1);
  });

  test("what was read is not passed where another run has begun unnoticed", async (world) => {
    const barrier = barrierOf(world);
    const { id: runId } = await world.runs.current();
    await barrier.passRead(runId);
    await barrier.passRead(runId);
    assert.equal(await syncsOf(world), 1, "a look at the run is enough");
    await world.connection.send(["DEBUG", "CHANGE-REPL-ID"]);
    await barrier.pass(runId); // a write that was answered under the earlier run
    await assert.rejects(barrier.passRead(runId), RedisUnavailableError);
    world.runs.leave();
    await barrier.passRead((await world.runs.current()).id);
  });
});

interface World {
  readonly local: LocalServer;
  readonly connection: RedisConnection;
  readonly runs: ServerRuns;
}

function barrierOf(
  { connection, runs }: World,
  { replicas = 0, waitMs = 5_000, settingsMs = HOLDS_MS } = {},
): DurabilityBarrier {
  const onOtherRun = () => {};
  return new DurabilityBarrier({
    connection,
    key: "synced",
    runs: runs.key,
    replicas,
    waitMs,
    settingsMs,
    onOtherRun,
    onRefused: () => Promise.resolve(),
  });
}

/** Waits for the disk that the server was asked for since its start. */
async function syncsOf({ connection }: World): Promise<number> {
  const report = await connection.send<string>(["INFO", "commandstats"]);
  return Number(/cmdstat_waitaof:calls=(\d+)/.exec(report)?.[1] ?? 0);
}

async function readyAgain(connection: RedisConnection): Promise<void> {
  if (connection.isReady) return;
  await new Promise<void>((resolve) => {
    const remove = connection.onReady(() => {
      remove();
      resolve();
    });
  });
}
