/**
 * Goal: a window that reads again from its replay point decides the same. Method: at every record
 * of a random log, a second window reads from the replay point that the first one had there, and
 * both go on to the end. From there on their examples, open impressions and bytes are equal.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, COLUMNS, impression, joinerOptions, readExamples, report } from "./records.ts";

const SHAPE = { ...COLUMNS, tasks: 1 };

interface Step {
  readonly kind: "impression" | "shown" | "action";
  readonly awaits: boolean;
  readonly ranking: number;
  readonly items: number;
  readonly item: number;
  readonly action: string;
  readonly eventId: number;
  readonly stepMs: number;
  readonly backMs: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("impression", "impression", "shown", "action", "action"),
  awaits: fc.boolean(),
  ranking: fc.nat(9),
  items: fc.integer({ min: 1, max: 4 }),
  item: fc.nat(3),
  action: fc.constantFrom("click", "buy", "dislike", "unknown"),
  eventId: fc.nat(20),
  stepMs: fc.integer({ min: 0, max: 300 }),
  backMs: fc.integer({ min: 0, max: 400 }),
});

function logOf(steps: readonly Step[]): EventRecord[] {
  let nowMs = 0;
  return steps.map((step) => {
    const { kind, awaits, ranking, items, item, eventId, stepMs, backMs } = step;
    nowMs += stepMs;
    const atMs = Math.max(0, nowMs - backMs);
    const names = Array.from({ length: items }, (_, i) => `${i}`.padEnd(200, "x"));
    // Some actions come before their ranking, and some wait too long for it.
    const acceptedAtMs = kind === "impression" ? 20 * (nowMs - backMs) : 20 * nowMs;
    const of = { ranking: `r${ranking}`, atMs, acceptedAtMs };
    switch (kind) {
      case "impression":
        return { ...impression({ ...of, items: names }), ...(awaits && { awaitsShown: true }) };
      case "shown":
        return report({ ...of, items: names.slice(item % names.length) });
      case "action": {
        const event = { item: names[item % names.length], action: step.action };
        return action({ ...of, ...event, eventId: `e${eventId}` });
      }
    }
  });
}

/** Feeds the records from `from` on; the examples that the records from `noteFrom` decide. */
function feed(window: JoinWindow, log: readonly EventRecord[], from: number, noteFrom = from) {
  const builder = new ExampleChunkBuilder(SHAPE, 0);
  const names: string[] = [];
  log.slice(from).forEach((record, i) => {
    const offset = from + i;
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => builder));
    window.accept(record, offset, () => builder);
    const examples = readExamples(builder.finish(0));
    if (offset >= noteFrom) {
      names.push(
        ...examples.map(({ name, label, logSampleRate }) =>
          `${offset}: ${name}=${label}, ${logSampleRate}`
        ),
      );
    }
  });
  return names;
}

/** The replay point as a chunk of examples has it. */
function pointOf(window: JoinWindow, eventOffset: number) {
  const { early, ...point } = window.replayPoint(eventOffset);
  return { ...point, early: early?.actions() };
}

Deno.test("a window read again from its replay point decides what the first one decided", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.constantFrom(3, 1_000),
      fc.constantFrom(8_000, 1 << 24),
      fc.constantFrom(0, 900, 3_000),
      (steps, impressionsMax, impressionsBytesMax, lateMs) => {
        const tasks = joinerOptions().tasks.map((task) => ({ ...task, lateMs }));
        const bounds = { impressionsMax, impressionsBytesMax };
        const options = joinerOptions({ windowMs: 800, tasks, ...bounds });
        const log = logOf(steps);
        const first = new JoinWindow(options);
        for (let cut = 0; cut < log.length; cut++) {
          const whole = new JoinWindow(options);
          feed(whole, log.slice(0, cut), 0);
          const { replayOffset, replayClockMs, retained, positives, early } = pointOf(whole, cut);
          const begin = retained ?? { offset: replayOffset, clockMs: replayClockMs };
          const expected = feed(whole, log, cut);
          const again = new JoinWindow(options, {
            clockMs: begin.clockMs,
            rereadBefore: cut,
            openFrom: replayOffset,
            positives,
            early,
            wallMs: Infinity,
            endOffset: 0,
          });
          assert.deepEqual(feed(again, log, begin.offset, cut), expected);
          assert.equal(again.heldBytes, whole.heldBytes);
          assert.deepEqual(pointOf(again, log.length), pointOf(whole, log.length));
        }
        feed(first, log, 0);
        assert.ok(first.impressionsHeld <= impressionsMax);
        assert.ok(first.heldBytes <= impressionsBytesMax + 4_096);
      },
    ),
    { numRuns: 60 },
  );
});
