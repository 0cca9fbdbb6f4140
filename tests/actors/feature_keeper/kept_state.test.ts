import assert from "node:assert/strict";
import fc from "fast-check";
import { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import type { SavedPart } from "../../../actors/feature_keeper/kept_tables.ts";
import type { FeatureKeeperOptions, KeptFeature } from "../../../actors/feature_keeper/options.ts";
import { allocateFeatureBatch } from "../../../kernels/features/feature_batch.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { ImpressionRowsWriter } from "../../../records/impression_rows_writer.ts";

const HOUR = 3_600_000;
const features: KeptFeature[] = [
  { kind: "history", name: "recent", of: { action: "click" }, last: 2 },
  { kind: "history", name: "seen", of: { action: "shown" }, last: 10 },
  { kind: "count", name: "clicks", by: "item", of: { action: "click" }, span: { windowMs: HOUR } },
  {
    kind: "rate",
    name: "ctr",
    by: "item",
    of: { action: "click" },
    per: { action: "shown" },
    span: { windowMs: HOUR },
    prior: { rate: 0.1, weight: 10 },
  },
  { kind: "trend", name: "trend", by: "item", of: { action: "click" }, windowMs: HOUR },
  { kind: "since", name: "since", by: "item", of: { action: "click" } },
  { kind: "age", name: "age", by: "item", of: { action: "click" } },
  {
    kind: "count",
    name: "liked",
    by: "user",
    of: { action: "rating", atLeast: 8 },
    span: { windowMs: 24 * HOUR },
  },
  {
    kind: "count",
    name: "disliked",
    by: "user",
    of: { action: "rating", below: 8 },
    span: { windowMs: 24 * HOUR },
  },
];
const options: FeatureKeeperOptions = {
  features,
  shard: 0,
  shards: 1,
  bytesMax: 2 ** 20,
  valuesMax: 3,
  rankingsMax: 1_000,
  checkpointMs: 0,
};
const itemNames = ["clicks", "ctr", "trend", "since", "age"];
const columns = { slots: 1, denseWidth: 0, schemaFingerprint: 5 };
const writer = new ImpressionRowsWriter({ ...columns, sharedSlots: [], tasks: 1 });

function impression(
  rankingId: string,
  user: string,
  items: readonly string[],
  atMs: number,
  awaitsShown?: true,
) {
  const rows = items.length;
  const shown = writer.write({
    candidates: items.map((id) => ({ id })),
    features: allocateFeatureBatch({ rows, ids: 0, slots: 1, denseWidth: 0 }),
    predictions: new Float32Array(rows),
    rows: items.map((_, i) => i),
  });
  const times = { atMs, acceptedAtMs: atMs };
  const awaiting = awaitsShown && { awaitsShown };
  return encodeEvent({ kind: "impression", rankingId, ...times, user, shown, ...awaiting }).slice();
}

function report(rankingId: string, items: readonly string[], atMs: number) {
  return encodeEvent({ kind: "shown", rankingId, items, atMs, acceptedAtMs: atMs }).slice();
}

function action(
  eventId: string,
  rankingId: string,
  item: string,
  atMs: number,
  name = "click",
  value?: number,
) {
  const record = { eventId, rankingId, item, action: name, atMs, acceptedAtMs: atMs };
  return encodeEvent({ kind: "action", ...record, ...(value !== undefined && { value }) }).slice();
}

function itemOf(state: KeptState, item: string, nowMs: number) {
  const { items } = state.read("", [item], nowMs, { histories: [] });
  return Object.fromEntries(itemNames.map((name, i) => [name, items[i]]));
}

Deno.test("a ranking that awaits reports shows the items of its reports, each once", () => {
  const state = new KeptState(options);
  const seen = (user: string) => state.read(user, [], 9, { histories: [] }).user.seen ?? [];
  state.take(impression("r", "ann", ["a", "b", "c"], 1, true));
  assert.deepEqual(seen("ann"), []);
  state.take(report("r", ["b", "a"], 2));
  state.take(report("r", ["b", "a", "c"], 3));
  state.take(report("r", ["b", "a"], 4));
  assert.deepEqual(seen("ann"), ["c", "b", "a"]);
  state.take(impression("whole", "bob", ["a", "b"], 1));
  state.take(report("whole", ["a"], 2));
  assert.deepEqual(seen("bob"), ["a", "b"], "its items counted when it was made");
});

Deno.test("histories have the newest items first, each once, at most as many as declared", () => {
  const state = new KeptState(options);
  state.take(impression("r", "ann", ["a", "b", "c"], 0));
  for (const [i, item] of ["a", "b", "a", "c"].entries()) {
    state.take(action(`e${i}`, "r", item, i));
  }
  const { user, histories } = state.read("ann", [], 10, { histories: ["click", "shown"] });
  assert.deepEqual(user.recent, ["c", "a"]);
  assert.deepEqual(user.seen, ["a", "b", "c"], "the first of a ranking is the newest");
  assert.deepEqual(histories.click, { items: ["c", "a"], atMs: [3, 2] });
  assert.deepEqual(state.read("bob", [], 10, { histories: [] }).user.recent, []);
});

Deno.test("counts, rates, trends and times are those of the window at the time of the read", () => {
  const state = new KeptState(options);
  for (let i = 0; i < 10; i++) state.take(impression(`r${i}`, "ann", ["a", "b"], i));
  for (let i = 0; i < 4; i++) state.take(action(`e${i}`, `r${i}`, "a", 130 - 10 * i));
  assert.deepEqual(itemOf(state, "a", 200), {
    clicks: 4,
    ctr: (4 + 1) / (10 + 10),
    trend: Math.log(5 / 1.5),
    since: 70 / HOUR,
    age: 100 / HOUR,
  });
  assert.deepEqual(itemOf(state, "a", 2 * HOUR).clicks, 0);
  assert.deepEqual(itemOf(state, "a", 2 * HOUR).ctr, 0.1);
  const { since, age, ...fresh } = itemOf(state, "never", 200);
  assert.deepEqual(fresh, { clicks: 0, ctr: 0.1, trend: 0 });
  assert.ok(Number.isNaN(since) && Number.isNaN(age));
});

Deno.test("values decide which actions count, and an event counts once", () => {
  const state = new KeptState(options);
  state.take(impression("r", "ann", ["a"], 0));
  state.take(action("e1", "r", "a", 1, "rating", 9));
  state.take(action("e1", "r", "a", 1, "rating", 9));
  state.take(action("e2", "r", "a", 2, "rating", 3));
  state.take(action("e3", "r", "a", 3, "rating"));
  const { user } = state.read("ann", [], 10, { histories: [] });
  assert.equal(user.liked, 1);
  assert.equal(user.disliked, 1);
});

Deno.test("an action on an unknown ranking counts for the item alone, and damage changes nothing", () => {
  const state = new KeptState(options);
  state.take(action("e", "unknown", "a", 1));
  state.take(Uint8Array.of(1, 2, 3));
  assert.equal(itemOf(state, "a", 10).clicks, 1);
  assert.equal(state.users, 0);
});

Deno.test("an action that names its user counts for it, whether or not its ranking is known", () => {
  const state = new KeptState(options);
  const click = (eventId: string, rankingId: string, item: string) => {
    const record = { eventId, rankingId, user: "ann", item, action: "click" };
    state.take(encodeEvent({ kind: "action", ...record, atMs: 1, acceptedAtMs: 1 }));
  };
  const clicked = () => state.read("ann", [], 9, { histories: [] }).user.recent ?? [];
  click("e1", "none", "a");
  assert.deepEqual(clicked(), ["a"]);
  state.take(impression("r", "ann", ["b"], 2));
  click("e2", "r", "b");
  assert.deepEqual(clicked(), ["b", "a"]);
  const forget = { kind: "forget", erasureId: "e", pass: 2, user: "ann" } as const;
  state.take(encodeEvent({ ...forget, atMs: 3, acceptedAtMs: 3 }));
  click("e3", "r", "c");
  assert.deepEqual(clicked(), [], "its ranking is of no user any more");
  click("e4", "other", "d");
  assert.deepEqual(clicked(), ["d"], "who comes back is a new one");
});

Deno.test("beyond the bound of memory the key whose last record is the oldest is dropped", () => {
  const state = new KeptState({ ...options, bytesMax: 20_000 });
  for (let i = 0; i < 200; i++) {
    state.take(impression(`r${i}`, i % 50 === 0 ? "ann" : `user-${i}`, [`i${i}`], i));
    assert.ok(state.bytes <= 20_000, `${state.bytes} bytes after ${i} records`);
  }
  assert.ok(state.users > 5 && state.users < 50, `${state.users} users`);
  assert.deepEqual(state.read("user-1", [], 300, { histories: [] }).user.seen, []);
  assert.deepEqual(state.read("user-199", [], 300, { histories: [] }).user.seen, ["i199"]);
  const { users, items, rankings } = state.dropped;
  assert.ok(users > 0 && items > 0 && rankings > 0);
  assert.equal(state.items + items, 200);
});

Deno.test("rankings and events beyond their bound are dropped", () => {
  const state = new KeptState({ ...options, rankingsMax: 2 });
  for (let i = 0; i < 4; i++) state.take(impression(`r${i}`, "ann", ["a"], i));
  state.take(action("e", "r1", "b", 5));
  assert.deepEqual(state.read("ann", [], 9, { histories: [] }).user.recent, []);
  assert.equal(itemOf(state, "b", 9).clicks, 1);
  assert.equal(state.dropped.rankings, 2);
});

const records = fc.array(
  fc.record({
    user: fc.constantFrom("ann", "bob"),
    items: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1 }),
    click: fc.option(fc.nat(3)),
    stepMs: fc.nat(HOUR / 2),
  }),
  { maxLength: 30 },
).map((visits) => {
  let atMs = 1e12;
  return visits.flatMap(({ user, items, click, stepMs }, i) => {
    atMs += stepMs;
    const shown = impression(`r${i}`, user, items, atMs);
    if (click === null) return [shown];
    return [shown, action(`e${i}`, `r${i}`, items[click % items.length], atMs + 1)];
  });
});

/** Numbers in lists: typed arrays are compared by bytes, and NaN has several. */
function everything(states: readonly KeptState[]) {
  const nowMs = 1e12 + 5 * HOUR;
  return ["ann", "bob"].map((user) =>
    states.map((state) => {
      const histories = ["click", "shown"];
      const { items, ...rest } = state.read(user, ["a", "b", "c", "d"], nowMs, { histories });
      return { ...rest, items: [...items] };
    })
  );
}

Deno.test("a state that was saved and restored between any two records is the state of the log", () => {
  fc.assert(fc.property(records, fc.nat(60), fc.nat(5), (log, at, recordsPerPart) => {
    const whole = new KeptState(options);
    for (const record of log) whole.take(record);
    const before = new KeptState(options);
    for (const record of log.slice(0, at)) before.take(record);
    const taken = before.records;
    // Records that come while the parts are written change nothing in them.
    const parts: SavedPart[] = [];
    const coming = [...log.slice(at)];
    before.beginSave();
    for (let part; (part = before.nextSaved(1)) !== undefined;) {
      parts.push(structuredClone(part));
      for (const record of coming.splice(0, recordsPerPart)) before.take(record);
    }
    const after = new KeptState(options);
    for (const _ of after.restoring(parts, taken));
    for (const record of log.slice(at)) after.take(record);
    assert.deepEqual(everything([after]), everything([whole]));
    assert.equal(after.bytes, whole.bytes);
    for (const record of coming) before.take(record);
    assert.deepEqual(everything([before]), everything([whole]));
  }));
});

Deno.test("several keepers together have what one keeper has", () => {
  fc.assert(fc.property(records, (log) => {
    const whole = new KeptState(options);
    const parts = [0, 1, 2].map((shard) => new KeptState({ ...options, shard, shards: 3 }));
    for (const record of log) for (const state of [whole, ...parts]) state.take(record);
    const [ofOne, ofParts] = [everything([whole]), everything(parts)];
    ofOne.forEach(([one], user) => {
      const own = ofParts[user].filter(({ hasUser }) => hasUser);
      assert.equal(own.length, 1);
      assert.deepEqual(own[0].user, one.user);
      assert.deepEqual(own[0].histories, one.histories);
      one.items.forEach((value, i) => {
        const values = ofParts[user].map(({ items }) => items[i]).filter((n) => !Number.isNaN(n));
        assert.deepEqual(values, Number.isNaN(value) ? [] : [value]);
      });
    });
  }));
});
