/**
 * Partitions without events get marks, so that freshness over all partitions does not stand still.
 */
import assert from "node:assert/strict";
import { MarkWriter } from "../../gateway/mark_writer.ts";
import { AcceptanceClock } from "../../gateway/memory/acceptance_clock.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { decodeEvent } from "../../records/event_record.ts";

function world(partitions = 3, bytesMax = Infinity) {
  const clock = new VirtualClock({ startMs: 1_000 });
  const eventLog = new MemoryEventLog({ name: "events", partitions, bytesMax });
  const acceptanceClock = new AcceptanceClock(clock);
  const telemetry = new TelemetryRecorder();
  const marks = new MarkWriter({ eventLog, acceptanceClock, clock, telemetry });
  /** Acceptance times and times of the records of a partition. */
  const times = async (partition: number) =>
    (await eventLog.read(partition, 0, 100)).map(({ bytes }) => {
      const { kind, acceptedAtMs, atMs } = decodeEvent(bytes);
      return { kind, acceptedAtMs, atMs };
    });
  const accept = (partition: number, atMs: number) => {
    const acceptedAtMs = acceptanceClock.nextMs();
    marks.accepted(partition, { acceptedAtMs, atMs });
    return acceptedAtMs;
  };
  return { clock, eventLog, marks, times, accept, telemetry, acceptanceClock };
}

Deno.test("after an event the other partitions get one mark each, with a later time", async () => {
  const { clock, times, accept } = world();
  const acceptedAtMs = accept(1, 500);
  await clock.advance(1_000);
  assert.deepEqual(await times(1), []);
  for (const partition of [0, 2]) {
    const [mark, ...others] = await times(partition);
    assert.deepEqual(others, []);
    assert.equal(mark.kind, "mark");
    assert.ok(mark.acceptedAtMs > acceptedAtMs);
    assert.equal(mark.atMs, 500, "it carries the data clock on");
  }
});

Deno.test("a partition without a record for some time is marked at once", async () => {
  const { clock, times, accept } = world(2);
  accept(0, 1);
  await clock.advance(6);
  assert.equal((await times(1)).length, 1);
  await clock.advance(20);
  accept(0, 2);
  await clock.advance(20);
  assert.equal((await times(1)).length, 1, "its mark is 40 ms old");
  await clock.advance(12);
  assert.equal((await times(1)).length, 2);
});

Deno.test("many partitions are marked less often", async () => {
  const { clock, eventLog, accept } = world(16);
  for (let event = 0; event < 1_000; event++) {
    accept(0, event);
    await clock.advance(1);
  }
  const marks = await eventLog.endOffset(7);
  assert.ok(marks >= 10 && marks <= 11, `${marks} marks`);
});

Deno.test("a partition that has an event meanwhile needs no mark", async () => {
  const { clock, eventLog, times, accept } = world();
  for (const partition of [0, 1, 2]) accept(partition, 0);
  await clock.advance(1_000);
  for (const partition of [0, 1, 2]) {
    await eventLog.trim(partition, await eventLog.endOffset(partition));
    accept(partition, 0);
  }
  accept(1, 1);
  await clock.advance(40);
  accept(0, 2);
  accept(2, 3);
  await clock.advance(1_000);
  assert.deepEqual(await times(2), []);
  assert.deepEqual((await times(0)).map(({ atMs }) => atMs), [3]);
  assert.deepEqual((await times(1)).map(({ atMs }) => atMs), [3]);
});

Deno.test("partitions that all have events get no marks, however many the events are", async () => {
  const { clock, eventLog, accept } = world();
  for (let event = 0; event < 3_000; event++) {
    accept(event % 3, event);
    await clock.advance(1);
  }
  for (const partition of [0, 1, 2]) assert.equal(await eventLog.endOffset(partition), 0);
});

Deno.test("beside a busy partition a silent one gets a mark every twentieth of a second", async () => {
  const { clock, times, accept } = world(2);
  const accepted: number[] = [];
  for (let event = 0; event < 3_000; event++) {
    accepted.push(accept(0, event));
    await clock.advance(1);
  }
  const marks = await times(1);
  assert.ok(marks.length >= 58 && marks.length <= 61, `${marks.length} marks`);
  // An event waits for its mark for little more than 50 ms.
  assert.ok(marks[0].acceptedAtMs - accepted[0] < 10);
  for (let i = 1; i < marks.length; i++) {
    const ms = marks[i].acceptedAtMs - marks[i - 1].acceptedAtMs;
    assert.ok(ms > 49 && ms < 53, `${ms} ms before mark ${i}`);
  }
  assert.equal((await times(0)).length, 0);
});

Deno.test("a mark is due at its time, also where the sum of times is rounded", async () => {
  for (const atMs of [251.06173195167835, 4_087.0670667084364, 16_372.24548478835]) {
    const { clock, times, accept } = world(2);
    await clock.advance(atMs);
    accept(0, 1);
    await clock.advance(101);
    assert.equal((await times(1)).length, 1);
  }
});

Deno.test("a mark carries the time of a later ranking", async () => {
  const { clock, marks, times, accept } = world(2);
  accept(0, 10);
  marks.ranked(90);
  marks.ranked(20);
  await clock.advance(1_000);
  assert.deepEqual((await times(1)).map(({ atMs }) => atMs), [90]);
});

Deno.test("a log with events is marked at the start, and an empty one is not", async () => {
  const { clock, marks, times, acceptanceClock } = world(2);
  marks.start();
  await clock.advance(1_000);
  assert.deepEqual([await times(0), await times(1)], [[], []]);
  const again = world(2);
  again.acceptanceClock.resumeAfter(acceptanceClock.nextMs());
  again.marks.start();
  await again.clock.advance(1_000);
  assert.equal((await again.times(0)).length, 1);
  assert.equal((await again.times(1)).length, 1);
});

Deno.test("marks that a full log refuses are appended when it has room", async () => {
  const { clock, eventLog, times, accept, telemetry } = world(2, 40);
  await eventLog.append(1, [new Uint8Array(40)]);
  accept(0, 1);
  await clock.advance(5_000);
  assert.equal(await eventLog.endOffset(1), 1);
  await eventLog.trim(1, 1);
  await clock.advance(5_000);
  assert.deepEqual((await times(1)).map(({ kind }) => kind), ["mark"]);
  assert.deepEqual(telemetry.lines, []);
});

Deno.test("nothing is appended after the end", async () => {
  const { clock, marks, times, accept } = world(2);
  accept(0, 1);
  await marks.stop();
  await clock.advance(5_000);
  assert.deepEqual(await times(1), []);
});
