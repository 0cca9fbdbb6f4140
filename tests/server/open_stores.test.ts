/**
 * Opening the stores on a full disk, and before their server answers.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import {
  RedisConnection,
  RedisUnavailableError,
} from "../../mesh/adapters/redis/redis_connection.ts";
import { isAway } from "../../mesh/ports/away.ts";
import { RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import { openRedisExampleLog, openRedisStores } from "../../server/machine/redis_storage.ts";
import { PATIENT_MS, withPrograms } from "../mesh/adapters/redis/servers.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import { ProfileErrors } from "../../mesh/adapters/embedded/profile_errors.ts";
import { isDiskFull } from "../../mesh/ports/files.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { startMesh } from "../../server/machine/start_mesh.ts";
import { openStores } from "../../server/open_stores.ts";

const movies = await Deno.readTextFile(new URL("../../examples/movies.yaml", import.meta.url));

function diskFull(): Error {
  return Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
}

Deno.test("stores are opened again each second while the disk is full, with a step and some log lines", async () => {
  const [clock, telemetry, steps] = [new VirtualClock(), new TelemetryRecorder(), [] as string[]];
  let openings = 0;
  const opened = openStores(async () => {
    if (++openings <= 25) {
      await Promise.reject(new Error("Cannot keep data", { cause: diskFull() }));
    }
    return "stores";
  }, { clock, telemetry, onStep: (step) => void steps.push(step) });
  assert.equal(await clock.settle(opened), "stores");
  assert.equal(clock.monotonicMs(), 25_000);
  assert.deepEqual(new Set(steps), new Set(["waiting for space on the disk"]));
  assert.equal(telemetry.lines.length, 3);
  const [{ level, message }] = telemetry.lines;
  assert.deepEqual([level, message], [
    "error",
    "the start waits for space on the disk: Error: Cannot keep data",
  ]);
});

Deno.test("stores that cannot be opened for another reason end the start", async () => {
  const parts = { clock: new VirtualClock(), telemetry: new TelemetryRecorder() };
  const failure = Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
  await assert.rejects(openStores(() => Promise.reject(failure), parts), failure);
  assert.deepEqual(parts.telemetry.lines, []);
});

Deno.test("the disk is full by the codes of the system and of SQLite, also as a cause", () => {
  const errors = new ProfileErrors({ path: "profiles.db" });
  const ofSqlite = (errcode: number) =>
    errors.nameOf(Object.assign(new Error("from SQLite"), { errcode }));
  const [full, noRoomForIndex, failed, readFailed, corrupt] = [13, 4_874, 10, 266, 11];
  for (const errcode of [full, noRoomForIndex]) assert.ok(isDiskFull(ofSqlite(errcode)));
  for (const errcode of [failed, readFailed, corrupt]) assert.ok(!isDiskFull(ofSqlite(errcode)));
  const quota = Object.assign(new Error("Disk quota exceeded"), { code: "EDQUOT" });
  assert.ok(isDiskFull(new Error("outer", { cause: new Error("inner", { cause: quota }) })));
  for (const other of [new Error("other"), "text", undefined]) assert.ok(!isDiskFull(other));
});

Deno.test("a server that starts on a full disk waits, and starts when there is space", async () => {
  const directory = Deno.makeTempDirSync();
  const { mkdirSync } = Deno;
  const waits = Promise.withResolvers<void>();
  Deno.mkdirSync = () => {
    throw diskFull();
  };
  try {
    const yaml = `${movies}\nstorage: { kind: directory, path: ${directory}/data }\n`;
    const starting = startMesh(parseConfiguration(yaml, "cairn.yaml"), {
      onStep: (step) => step === "waiting for space on the disk" && waits.resolve(),
    });
    await Promise.race([waits.promise, starting]);
    Deno.mkdirSync = mkdirSync;
    const mesh = await starting;
    assert.deepEqual(await mesh.stores.blobs.list(""), []);
    await mesh.stop();
  } finally {
    Deno.mkdirSync = mkdirSync;
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a server is away unless its answer names something to correct", () => {
  const ofRedis = (reason: string) =>
    new RedisUnavailableError("redis://localhost", false, new Error(reason));
  for (const reason of ["ECONNREFUSED", "LOADING: the server loads its data", "no answer"]) {
    assert.ok(isAway(new Error("outer", { cause: ofRedis(reason) })), reason);
  }
  assert.ok(isAway(new RecordStoreUnavailableError("the Redis", new Error("no answer"))));
  for (const reason of ["WRONGPASS invalid username-password pair", "self-signed certificate"]) {
    assert.ok(!isAway(ofRedis(reason)), reason);
  }
  for (const other of [new Error("other"), "text", undefined]) assert.ok(!isAway(other));
});

withPrograms((program) => {
  Deno.test(`${program}: a start waits for its server, and says so`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
    const clock = new DenoClock();
    const [telemetry, said] = [new TelemetryRecorder(), Promise.withResolvers<string>()];
    const local = await LocalServer.start({ program, directory });
    try {
      await local.kill();
      const storage = {
        server: { url: local.url, mesh: "m", openBudgetMs: 50 },
        logBytesMax: 1e6,
        partitions: { events: 1, examples: 1 },
        profilesCacheBytesMax: 1e6,
        knownMs: 1_000,
      };
      const opening = openStores(
        () => openRedisStores(storage, { isOnlyProcess: true, onWarning: () => {} }),
        { clock, telemetry, onStep: said.resolve },
      );
      assert.equal(await said.promise, "waiting for the Redis server");
      await local.start();
      const stores = await opening;
      assert.equal(await stores.eventLog.append(0, [Uint8Array.of(1)]), 0);
      await stores.close();
      const [{ message }] = telemetry.lines;
      assert.match(message, /the start waits for the Redis server: .*Cannot reach the Redis at/);
      assert.match(message, /Start it, or correct storage\.redis/);
    } finally {
      await local.kill();
      await Deno.remove(directory, { recursive: true });
    }
  });

  Deno.test(`${program}: a thread that cannot open its log leaves no connection`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
    const local = await LocalServer.start({ program, directory });
    const connection = new RedisConnection({ url: local.url, deadlineMs: PATIENT_MS });
    try {
      await connection.connect();
      await connection.send(["SET", "{cairn:m}:log:examples", "no hash"]);
      const storage = {
        server: { url: local.url, mesh: "m", deadlineMs: PATIENT_MS },
        logBytesMax: 1e6,
        partitions: { events: 1, examples: 1 },
        profilesCacheBytesMax: 1e6,
        knownMs: 1_000,
      };
      await assert.rejects(openRedisExampleLog(storage), /WRONGTYPE/);
      const others = async () =>
        (await connection.send<string>(["CLIENT", "LIST"])).match(/name=cairn/g);
      while (await others() !== null) await new Promise((resolve) => setTimeout(resolve, 5));
    } finally {
      connection.close();
      await local.kill();
      await Deno.remove(directory, { recursive: true });
    }
  });
});
