/**
 * A gateway whose log gets other partitions while requests come.
 */
import assert from "node:assert/strict";
import { MarkWriter } from "../../gateway/mark_writer.ts";
import { AcceptanceClock } from "../../gateway/memory/acceptance_clock.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { presentPartition } from "../../records/ranking_partition.ts";
import { altered } from "../actors/altered.ts";
import { gatewayFixture, json } from "./fixture.ts";

/** A log of which the gateway knows two partitions, and the server has three others. */
function changed() {
  const log = new MemoryEventLog({ name: "events", partitions: 2 });
  const known = { firstPartition: 0, partitions: 2 };
  const eventLog = altered(log, {
    get firstPartition() {
      return known.firstPartition;
    },
    get partitions() {
      return known.partitions;
    },
    append: (partition, ...rest) =>
      log.append(partition, ...rest).catch((error) => {
        Object.assign(known, { firstPartition: log.firstPartition, partitions: log.partitions });
        throw error;
      }),
  });
  const change = () => log.extend({ firstPartition: 2, partitions: 5 });
  const kinds = async (partition: number) =>
    (await log.read(partition, 0, 100)).map(({ bytes }) => decodeEvent(bytes));
  return { log, eventLog, change, kinds };
}

Deno.test("the events of one request go to the partitions that have their rankings now", async () => {
  const { log, eventLog, change, kinds } = changed();
  const { rank, post } = gatewayFixture({ eventLog });
  const ids = Array.from({ length: 12 }, (_, i) => `r${i}`);
  for (const id of ids) await rank(id, ["a"]);
  await change();
  const response = await post(
    "/v1/events",
    ids.map((rankingId) => ({ eventId: `e-${rankingId}`, rankingId, item: "a", action: "click" })),
  );
  const { accepted } = await json(response);
  assert.deepEqual([response.status, accepted], [200, ids.length]);
  let found = 0;
  for (const partition of [2, 3, 4]) {
    for (const record of await kinds(partition)) {
      if (record.kind !== "action") continue;
      assert.equal(presentPartition(record.rankingId, log), partition);
      found++;
    }
  }
  assert.equal(found, ids.length);
});

Deno.test("a report of shown items goes to the partition that has its ranking now", async () => {
  const { log, eventLog, change, kinds } = changed();
  const { rank, post } = gatewayFixture({ eventLog });
  await rank("r", ["a", "b"]);
  await change();
  assert.equal((await post("/v1/shown", { rankingId: "r", items: ["a"] })).status, 200);
  const [{ kind }] = await kinds(presentPartition("r", log));
  assert.equal(kind, "shown");
});

Deno.test("after a change of the partitions all new ones are marked, and no sealed one", async () => {
  const clock = new VirtualClock({ startMs: 1_000 });
  const eventLog = new MemoryEventLog({ partitions: 1 });
  const acceptanceClock = new AcceptanceClock(clock);
  const telemetry = new TelemetryRecorder();
  const marks = new MarkWriter({ eventLog, acceptanceClock, clock, telemetry });
  marks.accepted(0, { acceptedAtMs: acceptanceClock.nextMs(), atMs: 500 });
  await clock.advance(1_000);
  assert.equal(await eventLog.endOffset(0), 0, "one partition needs no marks");
  await eventLog.extend({ firstPartition: 1, partitions: 4 });
  marks.accepted(2, { acceptedAtMs: acceptanceClock.nextMs(), atMs: 600 });
  await clock.advance(1_000);
  const ends = await Promise.all([0, 1, 2, 3].map((partition) => eventLog.endOffset(partition)));
  assert.deepEqual(ends, [0, 1, 0, 1]);
  assert.deepEqual(telemetry.lines, []);
  await marks.stop();
});
