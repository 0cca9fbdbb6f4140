/**
 * Goal: actions join the impressions that they belong to, and each row is decided once.
 */
import assert from "node:assert/strict";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, impression } from "./records.ts";
import { join } from "./joined_records.ts";

Deno.test("a final action emits its item at once, with the features that were served", () => {
  const { examples, window } = join([
    impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "r1", item: "b", action: "buy", atMs: 10 }),
  ]);
  assert.deepEqual(examples.map((e) => [e.name, e.label, e.score]), [["r1/b", 1, 0.5]]);
  assert.equal(window.impressionsOpen, 1);
});

Deno.test("a negative is emitted only when the window closes", () => {
  const shown = impression({ ranking: "r1", items: ["a"], atMs: 0 });
  const before = impression({ ranking: "r2", items: ["b"], atMs: 999 });
  const after = impression({ ranking: "r3", items: ["c"], atMs: 1_000 });
  assert.deepEqual(join([shown, before]).examples, []);
  assert.deepEqual(join([shown, before, after]).examples.map((e) => [e.name, e.label]), [[
    "r1/a",
    0,
  ]]);
});

Deno.test("an action that is not final waits for the window, and the last one wins", () => {
  const { examples } = join([
    impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "click", atMs: 1 }),
    action({ ranking: "r1", item: "b", action: "click", atMs: 2 }),
    action({ ranking: "r1", item: "b", action: "dislike", atMs: 3 }),
    impression({ ranking: "r2", items: ["c"], atMs: 1_000 }),
  ]);
  assert.deepEqual(examples.map((e) => [e.name, e.label]), [["r1/b", 0], ["r1/a", 1]]);
});

Deno.test("an action with a known event id changes nothing and is counted", () => {
  const bought = action({ ranking: "r1", item: "a", action: "click", atMs: 1, eventId: "e1" });
  const { counts } = join([
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    bought,
    bought,
  ]);
  assert.equal(counts.actionsMatched, 1);
  assert.equal(counts.actionsDuplicate, 1);
});

Deno.test("an action after its item's example is late, and one on an unknown ranking is unmatched", () => {
  const { counts } = join([
    impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }),
    action({ ranking: "r1", item: "a", action: "click", atMs: 2 }),
    action({ ranking: "r1", item: "elsewhere", action: "click", atMs: 3 }),
    action({ ranking: "r9", item: "a", action: "click", atMs: 4 }),
    action({ ranking: "r1", item: "a", action: "click", atMs: 5_000 }),
  ]);
  assert.equal(counts.actionsLate, 2);
  assert.equal(counts.actionsUnmatched, 2);
});

Deno.test("an event from the future closes no other windows, and the data clock never goes back", () => {
  const { window, examples, counts } = join([
    impression({ ranking: "r1", items: ["a"], atMs: 5_000, acceptedAtMs: 5_000 }),
    impression({ ranking: "r2", items: ["b"], atMs: 100, acceptedAtMs: 5_001 }),
    action({
      ranking: "r2",
      item: "b",
      action: "click",
      atMs: 9_999_999,
      acceptedAtMs: 5_002,
    }),
  ]);
  assert.equal(window.clockMs, 5_002 + 100);
  assert.equal(counts.eventsAheadOfTime, 1);
  assert.deepEqual(examples, []);
});

Deno.test("windows that are over are counted, and rankings that actions decided before are not", () => {
  const { counts } = join([
    impression({ ranking: "open", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "open", item: "a", action: "buy", atMs: 1 }),
    impression({ ranking: "decided", items: ["a"], atMs: 2 }),
    action({ ranking: "decided", item: "a", action: "buy", atMs: 3 }),
    impression({ ranking: "end", items: ["z"], atMs: 2_000 }),
  ]);
  assert.deepEqual([counts.impressionsClosed, counts.examplesEmitted], [1, 3]);
});

Deno.test("a ranking under the id of an open one without actions replaces it", () => {
  const { counts, examples } = join([
    impression({ ranking: "r1", items: ["a", "c"], atMs: 0 }),
    impression({ ranking: "r1", items: ["a", "b"], atMs: 1 }),
    action({ ranking: "r1", item: "b", action: "buy", atMs: 2 }),
    impression({ ranking: "end", items: ["z"], atMs: 1_001 }),
  ]);
  assert.equal(counts.impressionsDuplicate, 1);
  assert.deepEqual(examples.map((e) => [e.name, e.label]), [["r1/b", 1], ["r1/a", 0]]);
});

Deno.test("a ranking under the id of an open one with actions closes it", () => {
  const { examples } = join([
    impression({ ranking: "r1", items: ["a", "c"], atMs: 0 }),
    action({ ranking: "r1", item: "c", action: "click", atMs: 1 }),
    impression({ ranking: "r1", items: ["b"], atMs: 2 }),
    action({ ranking: "r1", item: "b", action: "buy", atMs: 3 }),
  ]);
  assert.deepEqual(examples.map((e) => [e.name, e.label]), [["r1/a", 0], ["r1/c", 1], ["r1/b", 1]]);
});

Deno.test("a ranking with every item decided is closed, and actions on it are late", () => {
  const records: EventRecord[] = [impression({ ranking: "old", items: ["a"], atMs: 0 })];
  for (let i = 0; i < 5_000; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
    records.push(action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 0 }));
  }
  assert.equal(join(records).window.replayPoint(99).replayOffset, 0, "the old one is open");
  const { window, counts } = join([
    ...records,
    action({ ranking: "old", item: "a", action: "buy", atMs: 1 }),
    action({ ranking: "r4999", item: "a", action: "click", atMs: 1 }),
  ]);
  const { replayOffset, replayClockMs } = window.replayPoint(20_000);
  assert.deepEqual({ replayOffset, replayClockMs }, { replayOffset: 20_000, replayClockMs: 1 });
  assert.equal(window.impressionsOpen, 0);
  assert.equal(counts.actionsLate, 1);
});
