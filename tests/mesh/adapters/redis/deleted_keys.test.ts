/**
 * Keys that are deleted while the server runs (`FLUSHALL`, `FLUSHDB`): its replication id stays,
 * and every process must notice, whichever comes first.
 */
import assert from "node:assert/strict";
import { Coordinator } from "../../../../mesh/runtime/coordination/coordinator.ts";
import { requireNoLostRecords } from "../../../../mesh/adapters/redis/lost_records.ts";
import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import type { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { LogTailLostError } from "../../../../mesh/ports/event_log.ts";
import { RecordsLostError } from "../../../../mesh/ports/record_store.ts";
import { SeededRandom } from "../../../../mesh/simulation/seeded_random.ts";
import { settings } from "../../../contracts/coordination/coordination_under_test.ts";
import { testsOf, text, texts, type World } from "./own_server.ts";
import { withPrograms } from "./servers.ts";

withPrograms((program) => {
  const test = testsOf(program);

  test("each process refuses after FLUSHALL, whichever notices first", async (world) => {
    const [first, second, third] = await logsOf(world, 3);
    await first.append(0, [text("a")]);
    await second.append(0, [text("b")]);
    assert.deepEqual(await texts(third), ["a", "b"]);
    const { records, close } = await recordsOf(world);
    await records.open(settings);
    await (await world.open()).commands.send(["FLUSHALL"]);
    // It enters the run anew, under the same replication id.
    await assert.rejects(records.read(), RecordsLostError);
    await assert.rejects(requireNoLostRecords(await world.open()), RecordsLostError);
    for (const log of [first, second]) {
      await assert.rejects(log.append(0, [text("c")]), LogTailLostError);
      assert.ok(log.refusal() instanceof LogTailLostError);
    }
    await assert.rejects(third.claim(0, 1), LogTailLostError);
    const fresh = await world.log(await world.open());
    assert.deepEqual(await texts(fresh), [], "nothing was written");
    await close();
  });

  test("records are noticed as lost where they alone were deleted", async (world) => {
    const { records, close } = await recordsOf(world);
    await records.open(settings);
    const server = await world.open();
    await server.commands.send(["DEL", server.key("records")]);
    await assert.rejects(records.read(), RecordsLostError);
    await close();
  });

  test("a process that only reads notices with the next records", async (world) => {
    const [writer, reader] = await logsOf(world, 2);
    await writer.append(0, [text("a")]);
    assert.deepEqual(await texts(reader), ["a"]);
    await (await world.open()).commands.send(["FLUSHDB"]);
    const fresh = await world.log(await world.open());
    await fresh.append(0, [text("b"), text("c")]);
    await assert.rejects(reader.read(0, 1, 10), LogTailLostError);
  });

  test("a process that knew of no record goes on after FLUSHALL", async (world) => {
    const [log] = await logsOf(world, 1);
    await (await world.open()).commands.send(["FLUSHALL"]);
    await log.append(0, [text("a")]);
    assert.deepEqual(await texts(log), ["a"]);
  });
});

async function logsOf(world: World, count: number): Promise<RedisEventLog[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => world.open()));
  return await Promise.all(servers.map((server) => world.log(server)));
}

/** A process that has the mesh's records alone. */
async function recordsOf(world: World) {
  const store = new RedisRecordStore(await world.open());
  const records = new Coordinator({
    store,
    random: new SeededRandom(1),
    hostTtlMs: 3_600_000,
    controlTtlMs: 3_600_000,
  });
  return { records, close: () => store.close() };
}
