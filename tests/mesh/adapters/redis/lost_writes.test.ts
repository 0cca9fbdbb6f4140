/**
 * Goal: a process that knew newer data notices that its server has lost some, however many others
 * have written since. Method: real servers whose data are replaced by an older copy, as by a
 * fail-over to a replica that was behind.
 */
import assert from "node:assert/strict";
import type { ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import type { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { requireNoLostRecords } from "../../../../mesh/adapters/redis/lost_records.ts";
import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import { RECOVERY_STEP } from "../../../../mesh/ports/coordination.ts";
import { LogTailLostError } from "../../../../mesh/ports/event_log.ts";
import {
  RecordsLostError,
  RecordStoreUnavailableError,
} from "../../../../mesh/ports/record_store.ts";
import { testsOf, text, texts } from "./own_server.ts";
import { withPrograms } from "./servers.ts";

const write = (store: RedisRecordStore, key: string) =>
  store.transact((view) => view.set(key, 1), { keys: [key] });

/** A world of Redis servers, as {@link testsOf} gives it to a test. */
type World = Parameters<Parameters<ReturnType<typeof testsOf>>[1]>[0];

/**
 * A log that has appended 20 records, the last 10 of which its server has lost, and another log of
 * the same server that has appended 50 since.
 *
 * @param beforeLost Runs when the data that come back have been copied; the log that goes on.
 */
async function logsAfterRestore(
  world: World,
  beforeLost: (early: RedisEventLog) => Promise<RedisEventLog>,
) {
  const early = await world.log(await world.open());
  for (let i = 0; i < 10; i++) await early.append(0, [text(`${i}`)]);
  const restore = await world.copyData();
  const first = await beforeLost(early);
  for (let i = 10; i < 20; i++) await first.append(0, [text(`${i}`)]);
  await restore();
  const second = await world.log(await world.open());
  for (let i = 0; i < 50; i++) await second.append(0, [text(`new ${i}`)]);
  return { first, second };
}

/** The error with which a log refuses an append after its server has lost 10 of 20 records. */
async function refusedAppend(log: RedisEventLog): Promise<LogTailLostError> {
  const error = await log.append(0, [text("20")]).catch((error) => error);
  assert.ok(error instanceof LogTailLostError, String(error));
  assert.deepEqual([error.known, error.found], [20, 10]);
  return error;
}

withPrograms((program: ServerProgram) => {
  const test = testsOf(program);

  test("a log restored from an old copy is refused, also when others have filled it again", async (world) => {
    const { first } = await logsAfterRestore(world, (log) => Promise.resolve(log));
    const error = await refusedAppend(first);
    assert.match(error.message, /has lost 10\. Nothing is written until/);
    await assert.rejects(first.read(0, 0, 1), LogTailLostError);
    assert.equal(first.refusal(), error);
  });

  test("a log is refused also where the note of its process's run was lost with the records", async (world) => {
    const { first, second } = await logsAfterRestore(world, async () => {
      await world.local.kill();
      await world.local.start();
      // The second run is entered after the copy: the third one gets its number.
      return await world.log(await world.open());
    });
    await refusedAppend(first);
    assert.equal((await texts(second)).length, 60, "it has appended nothing");
  });

  test("a log is refused where its server has lost all that it had", async (world) => {
    const log = await world.log(await world.open());
    for (let i = 0; i < 20; i++) await log.append(0, [text(`${i}`)]);
    await world.local.kill();
    await Deno.remove(`${world.directory}/appendonlydir`, { recursive: true });
    await world.local.start();
    const other = await world.log(await world.open());
    for (let i = 0; i < 50; i++) await other.append(0, [text(`new ${i}`)]);
    const error = await log.append(0, [text("20")]).catch((error) => error);
    assert.ok(error instanceof LogTailLostError, String(error));
    assert.deepEqual([error.known, error.found], [20, 0]);
  });

  test("a log is refused where new partitions are lost with their records", async (world) => {
    const log = await world.log(await world.open());
    await log.append(0, [text("a")]);
    const restore = await world.copyData();
    await log.extend({ firstPartition: 1, partitions: 2 });
    await log.append(1, [text("b")]);
    await restore();
    const error = await log.append(1, [text("c")]).catch((error) => error);
    assert.ok(error instanceof LogTailLostError, String(error));
    assert.deepEqual([error.partition, error.known, error.found], [1, 1, 0]);
  });

  test("restarts that lose nothing are passed, however many runs a process has not seen", async (world) => {
    const quiet = await world.log(await world.open());
    await quiet.append(0, [text("a")]);
    for (const record of ["b", "c", "d"]) {
      await world.local.kill();
      await world.local.start();
      const other = await world.log(await world.open());
      await other.append(0, [text(record)]);
    }
    assert.equal(await quiet.append(0, [text("e")]), 4);
    assert.deepEqual(await texts(quiet), ["a", "b", "c", "d", "e"]);
  });

  test(
    "a process that has read records of a run that began unnoticed takes none for lost",
    async (world) => {
      const reader = await world.log(await world.open());
      const server = await world.open();
      const writer = await world.log(server);
      await writer.append(0, [text("a")]);
      assert.deepEqual(await texts(reader), ["a"]);
      // As where the server gets its first replica: the connections stay.
      await server.commands.send(["DEBUG", "CHANGE-REPL-ID"]);
      await writer.append(0, [text("b")]);
      assert.deepEqual(await texts(reader), ["a", "b"]);
      await reader.commitOffset("consumer", 0, 2);
      assert.deepEqual(await texts(reader), ["a", "b"]);
    },
    { "enable-debug-command": "yes" },
  );

  test("records restored from an old copy are refused by the processes that saw newer ones", async (world) => {
    const server = await world.open();
    const store = new RedisRecordStore(server);
    await write(store, "a");
    const restore = await world.copyData();
    await write(store, "b");
    await restore();
    const other = new RedisRecordStore(await world.open());
    for (const key of ["c", "d", "e"]) await write(other, key);
    await server.commands.connect().catch(() => {});
    const fresh = await world.open();
    await requireNoLostRecords(fresh);
    const error = await write(store, "f").catch((error) => error);
    assert.ok(error instanceof RecordsLostError, String(error));
    assert.match(error.message, /Restore the newer data, or accept the loss/);
    await assert.rejects(requireNoLostRecords(fresh), RecordsLostError, "others are told");
    await other.transact((view) => view.skipRevisions(RECOVERY_STEP));
    await requireNoLostRecords(fresh);
    // The connection that waits for the disk may be made anew only now.
    let unavailable: unknown;
    do {
      unavailable = await write(store, "f").then(() => undefined, (error) => error);
    } while (unavailable instanceof RecordStoreUnavailableError);
    assert.equal(unavailable, undefined);
    assert.equal(await other.transact((view) => view.get("f"), { keys: ["f"] }), 1);
    for (const each of [store, other]) await each.close();
  });

  test("records are refused also where the note of the process's run was lost with them", async (world) => {
    const early = new RedisRecordStore(await world.open());
    await write(early, "a");
    const restore = await world.copyData();
    await world.local.kill();
    await world.local.start();
    const server = await world.open();
    const store = new RedisRecordStore(server);
    for (const key of ["b", "c"]) await write(store, key);
    await restore();
    const other = new RedisRecordStore(await world.open());
    for (const key of ["d", "e", "f"]) await write(other, key);
    await server.commands.connect().catch(() => {});
    const error = await write(store, "g").catch((error) => error);
    assert.ok(error instanceof RecordsLostError, String(error));
    for (const each of [early, store, other]) await each.close();
  });
});
