/**
 * Event ids outlive the records that name them: a release of the log for an erasure carries them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { carryEvents } from "../../../gateway/memory/carried_events.ts";
import { GatewayMemory } from "../../../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../../../gateway/memory/log_recall.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { decodeEvent, encodeEvent } from "../../../records/event_record.ts";
import { packEvents } from "../../../records/remembered_events.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { fixtureOptions, startMs } from "../fixture.ts";

const content = { rankingId: "r", item: "a", action: "click" };

function world(eventsRememberedMax = 1_000, partitions = 2) {
  const clock = new VirtualClock({ startMs });
  const eventLog = new MemoryEventLog({ name: "events", partitions });
  const options = { ...fixtureOptions, eventsRememberedMax };
  const memory = new GatewayMemory(clock, options);
  /** Accepts an event: its record goes to a partition. */
  const accept = async (eventId: string, partition = 0) => {
    const acceptedAtMs = memory.acceptanceClock.nextMs();
    const appended = eventLog.append(partition, [
      encodeEvent({ kind: "action", eventId, ...content, atMs: 0, acceptedAtMs }),
    ]);
    memory.events.begin(eventId, content, appended.then(() => acceptedAtMs));
    await appended;
    return acceptedAtMs;
  };
  /** A gateway that starts over the log. */
  const restart = async () => {
    const recalled = new GatewayMemory(clock, options);
    const source = { eventLog, clock, telemetry: new TelemetryRecorder() };
    await clock.settle((await recallFromLogs(recalled, source)).done);
    return recalled;
  };
  const trim = async (ends: readonly number[]) => {
    for (const [partition, end] of ends.entries()) await eventLog.trim(partition, end);
  };
  return { clock, eventLog, memory, accept, restart, trim };
}

Deno.test("an event is a duplicate after a restart although a release let its record be trimmed", async () => {
  const { clock, eventLog, memory, accept, restart, trim } = world();
  const first = await accept("e0", 0);
  const second = await accept("e1", 1);
  const ends = await carryEvents(memory, { eventLog, clock });
  assert.deepEqual(ends, [1, 1]);
  const third = await accept("e2", 1);
  await trim(ends);
  const { events, acceptanceClock } = await restart();
  for (const [id, acceptedAtMs] of [["e0", first], ["e1", second], ["e2", third]] as const) {
    assert.deepEqual(events.find(id, content), { isSame: true, acceptedAtMs });
    assert.equal(events.find(id, { ...content, item: "b" })?.isSame, false);
  }
  assert.equal(events.find("e3", content), undefined);
  assert.ok(acceptanceClock.nextMs() > third);
});

Deno.test("ids are carried again by each release, and the newest stay within the bound", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.nat(40), { minLength: 1, maxLength: 6 }),
    fc.integer({ min: 8, max: 64 }),
    async (counts, eventsMax) => {
      const { clock, eventLog, memory, accept, restart, trim } = world(eventsMax);
      let events = 0;
      for (const count of counts) {
        for (let i = 0; i < count; i++) await accept(`e${events++}`, events % 2);
        await trim(await carryEvents(memory, { eventLog, clock }));
      }
      const recalled = (await restart()).events;
      assert.ok(recalled.size <= eventsMax);
      const sure = Math.min(events, Math.floor(eventsMax / 8) * 7);
      for (let i = events - sure; i < events; i++) {
        assert.ok(recalled.find(`e${i}`, content)?.isSame, `e${i} of ${events}`);
      }
    },
  ));
});

Deno.test("more events than one record takes are carried in several", async () => {
  const { clock, eventLog, memory, accept, restart, trim } = world(20_000);
  for (let i = 0; i < 10_000; i++) await accept(`e${i}`);
  await trim(await carryEvents(memory, { eventLog, clock }));
  const records = await eventLog.read(0, 0, 1_000);
  assert.ok(records.length > 9 && records.every(({ bytes }) => bytes.byteLength < 25_000));
  assert.equal((await restart()).events.size, 10_000);
});

Deno.test("an event that is being written is waited for, and carried", async () => {
  const { clock, eventLog, memory } = world();
  const written = Promise.withResolvers<number>();
  memory.events.begin("e", content, written.promise);
  const carried = carryEvents(memory, { eventLog, clock });
  await clock.advance(500);
  assert.deepEqual(await eventLog.read(0, 0, 10), []);
  written.resolve(startMs);
  await clock.settle(carried);
  const [{ bytes }] = await eventLog.read(0, 0, 10);
  const record = decodeEvent(bytes);
  assert.ok(record.kind === "remembered");
  const [event] = memory.events.batches();
  assert.deepEqual(record.events, packEvents(event));
});

Deno.test("nothing is carried while an event waits long for the log, or the log is being read back", async () => {
  const { clock, eventLog, memory } = world();
  memory.isComplete = false;
  await assert.rejects(carryEvents(memory, { eventLog, clock }), /has not read all event ids back/);
  memory.isComplete = true;
  memory.events.begin("e", content, new Promise(() => {}));
  const carried = assert.rejects(carryEvents(memory, { eventLog, clock }), /are being written/);
  await clock.advance(2_000);
  await carried;
  assert.equal(await eventLog.endOffset(0), 0);
});
