/**
 * Goal: the second pass of an erasure follows all that another gateway, which was cut off from the
 * log, still appends of the user. Method: a log in memory that says how long appends may take.
 */
import assert from "node:assert/strict";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { decodeEvent, encodeEvent } from "../../../records/event_record.ts";
import { erasureFixture } from "../erasure_fixture.ts";

Deno.test("the second pass waits for the appends that other gateways may still make", async () => {
  const memoryLog = new MemoryEventLog({ name: "events", partitions: 1 });
  const eventLog = Object.assign(memoryLog, { appendMaxMs: 7_000 });
  const { erasures, clock, pass } = await erasureFixture({ eventLog });
  await erasures.erase("ann");
  // Accepted at the end of gateway.deadline, 1 s, and tried until the last moment.
  await pass(8);
  await eventLog.append(0, [
    encodeEvent({
      ...{ kind: "action", eventId: "e", rankingId: "none-1", user: "ann", item: "a" },
      ...{ action: "click", atMs: clock.nowMs(), acceptedAtMs: clock.nowMs() },
    }),
  ]);
  await pass(3);
  const records = (await eventLog.read(0, 0, 10)).map(({ bytes }) => decodeEvent(bytes));
  assert.deepEqual(
    records.map((record) => record.kind === "forget" ? record.pass : record.kind),
    [1, "action", 2],
  );
  await erasures.stop();
});
