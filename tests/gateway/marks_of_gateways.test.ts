/**
 * Several gateways that append to one log write as many marks together as one would, and an event
 * waits for its marks no longer, whatever their clocks say.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MarkWriter } from "../../gateway/mark_writer.ts";
import { AcceptanceClock } from "../../gateway/memory/acceptance_clock.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import type { EventLog, LogMark, MarkedPartition } from "../../mesh/ports/event_log.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { Journal } from "../../simulation/mesh/journal.ts";
import { LogState } from "../../simulation/mesh/log_state.ts";
import { NodeClock } from "../../simulation/world/node_clock.ts";

/** Gateways whose wall clocks are ahead by so many ms. */
function world(aheadMs: readonly number[], partitions = 2) {
  const clock = new VirtualClock();
  const state = new LogState({
    name: "events",
    partitions,
    clock,
    journal: new Journal(clock),
    observer: { appended: () => {}, trimmed: () => {}, tailLost: () => {}, trimLost: () => {} },
    idsRetainedMs: 1,
    isFull: () => false,
  });
  let asks = 0;
  const mark = (marked: readonly MarkedPartition[], record: LogMark) => {
    asks++;
    const newest = state.mark(marked, record, Infinity);
    return newest instanceof Error ? Promise.reject(newest) : Promise.resolve([...newest]);
  };
  const eventLog: EventLog = Object.assign(
    new MemoryEventLog({ name: "events", partitions }),
    { mark },
  );
  const gateways = aheadMs.map((ahead, i) => {
    const own = new NodeClock(clock, () => {}, () => ahead, 1_000 * i);
    const acceptanceClock = new AcceptanceClock(own);
    const telemetry = new TelemetryRecorder();
    const marks = new MarkWriter({ eventLog, acceptanceClock, clock: own, telemetry });
    /** Appends an event; returns its acceptance time, ms. */
    const accept = (partition: number): number => {
      const event = {
        bytes: new Uint8Array(8),
        content: "",
        acceptedAtMs: acceptanceClock.nextMs(),
        endsWithTime: true,
      };
      const kept = state.appendOnce(partition, [{ ...event, token: "" }], Infinity);
      if (kept instanceof Error) throw kept;
      const [{ acceptedAtMs }] = kept;
      acceptanceClock.resumeAfter(acceptedAtMs);
      marks.accepted(partition, { acceptedAtMs, atMs: acceptedAtMs });
      return acceptedAtMs;
    };
    return { accept };
  });
  const newestOf = (partition: number) => {
    const last = state.newest(partition);
    return last === undefined
      ? -1
      : new DataView(last.buffer, last.byteOffset).getFloat64(last.byteLength - 8);
  };
  return { clock, gateways, state, newestOf, asks: () => asks };
}

for (const count of [1, 2, 10]) {
  Deno.test(`beside a partition with events of ${count} gateways a silent one gets a mark every twentieth of a second`, async () => {
    const { clock, gateways, state, newestOf, asks } = world(Array(count).fill(0));
    const waiting: { acceptedAtMs: number; atMs: number }[] = [];
    let longestMs = 0;
    for (let i = 0; i < 3_000; i++) {
      const acceptedAtMs = gateways[i * 7 % count].accept(0);
      waiting.push({ acceptedAtMs, atMs: clock.monotonicMs() });
      await clock.advance(1);
      while (waiting.length > 0 && waiting[0].acceptedAtMs < newestOf(1)) {
        longestMs = Math.max(longestMs, clock.monotonicMs() - (waiting.shift()?.atMs ?? 0));
      }
    }
    const marks = state.endOffset(1);
    assert.ok(marks >= 50 && marks <= 62, `${marks} marks`);
    assert.ok(longestMs <= 61, `an event waited for ${longestMs} ms`);
    // Each gateway asks about as often as it would mark.
    assert.ok(asks() <= 1.3 * 60 * count, `${asks()} asks`);
  });
}

Deno.test("a partition with events of another gateway gets no marks", async () => {
  const { clock, gateways: [one, two], state } = world([0, 0]);
  for (let i = 0; i < 1_000; i++) {
    one.accept(0);
    two.accept(1);
    await clock.advance(1);
  }
  assert.ok(state.endOffset(0) <= 1_002 && state.endOffset(1) <= 1_002);
});

Deno.test("the log is asked for no marks where a gateway has events in all partitions", async () => {
  const { clock, gateways: [gateway], asks } = world([0], 4);
  for (let i = 0; i < 3_000; i++) {
    gateway.accept(i % 4);
    await clock.advance(2);
  }
  assert.ok(asks() <= 2, `${asks()} asks`);
});

Deno.test("the last event is passed by all partitions, whatever the wall clocks say", async () => {
  const at = fc.record({
    gateway: fc.nat(2),
    partition: fc.nat(3),
    pauseMs: fc.oneof(fc.nat(5), fc.nat(200)),
  });
  const aheadMs = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: -5_000, max: 5_000 })), {
    minLength: 3,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(
      aheadMs,
      fc.array(at, { minLength: 1, maxLength: 40 }),
      async (ahead, events) => {
        const { clock, gateways, newestOf, asks } = world(ahead, 4);
        let newestMs = 0;
        for (const { gateway, partition, pauseMs } of events) {
          await clock.advance(pauseMs);
          newestMs = Math.max(newestMs, gateways[gateway].accept(partition));
        }
        await clock.advance(110);
        for (const partition of [0, 1, 2, 3]) {
          assert.ok(newestOf(partition) >= newestMs, `partition ${partition} is behind`);
        }
        const before = asks();
        await clock.advance(10_000);
        assert.equal(asks(), before, "nothing is asked when all is marked");
      },
    ),
  );
});
