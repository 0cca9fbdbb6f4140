/** Means, sessions, histories of some values, and features by the values of a slot. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import type { FeatureKeeperOptions, KeptFeature } from "../../../actors/feature_keeper/options.ts";
import type { SlotColumn, SlotValues } from "../../../kernels/features/values_of_items.ts";
import { SessionTimes } from "../../../actors/feature_keeper/session_times.ts";
import { collectGarbage } from "../../collect_garbage.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const slot: SlotColumn = { name: "category", number: 3, column: 1 };

function stateOf(features: readonly KeptFeature[], options: Partial<FeatureKeeperOptions> = {}) {
  return new KeptState({
    features,
    shard: 0,
    shards: 1,
    bytesMax: 2 ** 20,
    valuesMax: 3,
    rankingsMax: 1_000,
    checkpointMs: 0,
    ...options,
  });
}

/** Shows items to ann, and takes an action on the first of them. */
function visit(
  state: KeptState,
  atMs: number,
  items: readonly string[],
  { action = "click", value, values }: {
    readonly action?: string;
    readonly value?: number;
    readonly values?: number[][][];
  } = {},
) {
  const rankingId = `r${state.records}`;
  state.takeRanking({ rankingId, user: "ann", items, values, atMs });
  const eventId = `e${state.records}`;
  const event = { eventId, rankingId, item: items[0], action, atMs };
  state.takeAction({ ...event, ...(value !== undefined && { value }) });
}

function listsOf(lists: readonly (readonly number[])[]): SlotValues {
  const offsets = new Uint32Array(lists.length + 1);
  lists.forEach((list, i) => offsets[i + 1] = offsets[i] + list.length);
  return { values: Float64Array.from(lists.flat()), offsets };
}

Deno.test("a mean is that of the values in the window, drawn to its prior", () => {
  const state = stateOf([{
    kind: "mean",
    name: "stars",
    by: "item",
    of: { action: "rating" },
    span: { windowMs: 12 * HOUR },
    prior: { value: 3, weight: 2 },
  }]);
  const stars = (nowMs: number) => state.read("", ["a"], nowMs, { histories: [] }).items[0];
  assert.equal(stars(0), 3);
  visit(state, 0, ["a"], { action: "rating", value: 5 });
  visit(state, HOUR, ["a"], { action: "rating", value: 4 });
  visit(state, HOUR, ["a"], { action: "rating" });
  assert.equal(stars(HOUR), (5 + 4 + 6) / 4, "a rating without a value does not count");
  assert.equal(stars(12 * HOUR), (4 + 6) / 3);
  assert.equal(stars(100 * HOUR), 3);
});

Deno.test("a session counts from its first event to a pause", () => {
  const session = { sessionMs: 30 * MINUTE };
  const state = stateOf([
    { kind: "count", name: "clicks", by: "user", of: { action: "click" }, span: session },
    { kind: "history", name: "now", of: { action: "click" }, last: 2, ...session },
    { kind: "history", name: "ever", of: { action: "click" }, last: 9 },
    {
      kind: "rate",
      name: "ctr",
      by: "user",
      of: { action: "click" },
      per: { action: "shown" },
      span: session,
      prior: { rate: 0.5, weight: 2 },
    },
  ]);
  const at = (minutes: number) => state.read("ann", [], minutes * MINUTE, { histories: [] }).user;
  assert.deepEqual(at(0), { clicks: 0, ctr: 0.5, now: [], ever: [] });
  visit(state, 0, ["a", "b"]);
  visit(state, 20 * MINUTE, ["b", "c"]);
  visit(state, 45 * MINUTE, ["c", "d"]);
  assert.deepEqual(at(60), {
    clicks: 3,
    ctr: (3 + 1) / (6 + 2),
    now: ["c", "b"],
    ever: ["c", "b", "a"],
  });
  assert.deepEqual(
    at(76),
    { clicks: 0, ctr: 0.5, now: [], ever: ["c", "b", "a"] },
    "31 minutes later",
  );
  visit(state, 90 * MINUTE, ["d"]);
  assert.deepEqual(at(91), {
    clicks: 1,
    ctr: (1 + 1) / (1 + 2),
    now: ["d"],
    ever: ["d", "c", "b", "a"],
  });
});

Deno.test("sessions are those of the events in order, whatever the pauses", () => {
  const steps = fc.array(fc.nat(60), { minLength: 1, maxLength: 30 });
  fc.assert(fc.property(steps, fc.nat(60), (minutes, after) => {
    const sessions = new SessionTimes([30, 10, 30]);
    assert.equal(sessions.length, 4);
    const times = sessions.create();
    let atMs = 1_000;
    const events = minutes.map((step) => atMs += step);
    for (const event of events) sessions.add(times, event);
    for (const gapMs of [10, 30]) {
      let begin = events[0];
      events.forEach((event, i) => {
        if (i > 0 && event > events[i - 1] + gapMs) begin = event;
      });
      const expected = after > gapMs ? Infinity : begin;
      assert.equal(sessions.beginOf(times, sessions.indexOf(gapMs), atMs + after), expected);
    }
  }));
});

Deno.test("a user's events are counted by the values of a slot of their items", () => {
  const state = stateOf([
    {
      kind: "count",
      name: "clicked",
      by: "user",
      slot,
      of: { action: "click" },
      span: { windowMs: 24 * HOUR },
    },
    { kind: "since", name: "since", by: "user", slot, of: { action: "click" } },
    { kind: "count", name: "all", by: "item", of: { action: "click" }, span: { windowMs: HOUR } },
  ]);
  const [shoes, hats, red] = [11, 12, 13];
  visit(state, 0, ["boot", "cap"], { values: [[[shoes, red]], [[hats]]] });
  visit(state, HOUR, ["boot"], { values: [[[shoes, red]]] });
  const read = (user: string, lists: number[][]) => {
    const items = lists.map((_, i) => `new-${i}`);
    const { items: numbers } = state.read(user, items, 2 * HOUR, {
      histories: [],
      values: listsOf(lists),
    });
    return lists.map((_, i) => [...numbers.subarray(3 * i, 3 * i + 3)]);
  };
  assert.deepEqual(read("ann", [[shoes], [hats], [shoes, hats], []]), [
    [0, 2, 1],
    [0, 0, NaN],
    [0, 1, 1],
    [0, 0, NaN],
  ], "several values have their mean");
  assert.deepEqual(read("bob", [[shoes]]), [[0, 0, NaN]]);
  const without = state.read("ann", ["boot"], HOUR, { histories: [] }).items;
  assert.ok(Number.isNaN(without[1]), "unknown values are no features");
});

Deno.test("the value of a slot without an event for longest is dropped", () => {
  const state = stateOf([{
    kind: "count",
    name: "n",
    by: "user",
    slot,
    of: { action: "click" },
    span: { windowMs: 24 * HOUR },
  }]);
  for (const value of [1, 2, 1, 3, 4]) visit(state, 0, ["a"], { values: [[[value]]] });
  const { items } = state.read("ann", ["a", "a", "a", "a"], 0, {
    histories: [],
    values: listsOf([[1], [2], [3], [4]]),
  });
  assert.deepEqual([...items], [2, 0, 1, 1]);
});

Deno.test("a history keeps the events of some values only", () => {
  const state = stateOf([
    { kind: "history", name: "liked", of: { action: "rating", atLeast: 8 }, last: 5 },
    { kind: "history", name: "rated", of: { action: "rating" }, last: 5 },
  ]);
  visit(state, 0, ["a"], { action: "rating", value: 9 });
  visit(state, 1, ["b"], { action: "rating", value: 3 });
  const { user, histories } = state.read("ann", [], 2, { histories: ["rating"] });
  assert.deepEqual(user, { liked: ["a"], rated: ["b", "a"] });
  assert.deepEqual(histories.rating.items, ["b", "a"], "rules read the history of all");
});

Deno.test("the counted memory is that of the heap, within a third", () => {
  const state = stateOf([
    { kind: "history", name: "recent", of: { action: "click" }, last: 20 },
    { kind: "count", name: "day", by: "user", of: { action: "click" }, span: { windowMs: HOUR } },
    { kind: "count", name: "of", by: "item", of: { action: "click" }, span: { windowMs: HOUR } },
    {
      kind: "count",
      name: "by",
      by: "user",
      slot,
      of: { action: "click" },
      span: { windowMs: HOUR },
    },
  ], { bytesMax: 2 ** 30, rankingsMax: 1e6, valuesMax: 20 });
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < 60_000; i++) {
    const rankingId = `ranking-${i}`;
    const item = `item-${i % 20_000}`;
    const user = `user-${i % 3_000}`;
    state.takeRanking({ rankingId, user, items: [item], values: [[[1 + i % 50]]], atMs: i });
    state.takeAction({ eventId: `event-${i}`, rankingId, item, action: "click", atMs: i });
  }
  collectGarbage();
  const used = Deno.memoryUsage().heapUsed - before;
  const share = state.bytes / used;
  assert.ok(share > 0.67 && share < 1.33, `${state.bytes} of ${used}`);
});
