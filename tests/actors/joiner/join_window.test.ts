import assert from "node:assert/strict";
import fc from "fast-check";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, impression, joinerOptions, readExamples } from "./records.ts";

/** Feeds records as the joiner does; returns the examples by name. */
function join(records: readonly EventRecord[], options: JoinerOptions = joinerOptions()) {
  const window = new JoinWindow(options);
  const out = new ExampleChunkBuilder({ slots: 2, denseWidth: 1, tasks: options.tasks.length }, 0);
  records.forEach((record, offset) => {
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => out));
    window.accept(record, offset, () => out);
  });
  return { examples: readExamples(out.finish(0)), counts: window.counts, window };
}

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

Deno.test("one impression too many closes the oldest early", () => {
  const { examples, counts, window } = join(
    ["r1", "r2", "r3", "r4"].map((ranking) => impression({ ranking, items: ["a"], atMs: 0 })),
    joinerOptions({ impressionsMax: 2 }),
  );
  assert.deepEqual(examples.map((e) => e.name), ["r1/a", "r2/a"]);
  assert.equal(counts.impressionsClosedEarly, 2);
  assert.equal(window.impressionsOpen, 2);
});

Deno.test("the oldest impressions close early when the open ones exceed their bytes", () => {
  const shown = (ranking: string, items: number) =>
    impression({ ranking, items: Array.from({ length: items }, (_, i) => `i${i}`), atMs: 0 });
  const bytesOfTwo = join([shown("r1", 3), shown("r2", 3)]).window.heldBytes;
  const { examples, counts, window } = join(
    ["r1", "r2", "r3", "r4"].map((ranking) => shown(ranking, 3)),
    joinerOptions({ impressionsBytesMax: bytesOfTwo }),
  );
  assert.deepEqual([...new Set(examples.map((e) => e.name.split("/")[0]))], ["r1", "r2"]);
  assert.equal(counts.impressionsClosedEarly, 2);
  assert.equal(window.heldBytes, bytesOfTwo);

  const large = join(
    [shown("r1", 3), shown("large", 500), shown("r2", 3)],
    joinerOptions({ impressionsBytesMax: bytesOfTwo }),
  );
  assert.equal(
    large.window.impressionsOpen,
    1,
    "an impression beyond the limit by itself closes with the next",
  );
  assert.equal(large.examples.length, 503);
  assert.equal(large.window.heldBytes, bytesOfTwo / 2);
});

Deno.test("actions on an open impression count towards its bytes until all rows are decided", () => {
  const shown = impression({ ranking: "r1", items: ["a", "b"], atMs: 0 });
  const act = (item: string, kind: string) =>
    action({ ranking: "r1", item, action: kind, atMs: 1 });
  const bytesOf = (...records: EventRecord[]) => join(records).window.heldBytes;
  const acted = bytesOf(shown, act("a", "click"));
  assert.ok(acted >= bytesOf(shown) + 1_024);
  assert.equal(bytesOf(shown, act("a", "click"), act("b", "buy")), acted, "once a ranking");
  assert.equal(bytesOf(shown, act("a", "buy"), act("b", "buy")), 0);
  const next = impression({ ranking: "r2", items: ["a", "b"], atMs: 2 });
  const limit = joinerOptions({ impressionsBytesMax: 2 * bytesOf(shown) });
  assert.equal(join([shown, next], limit).window.impressionsOpen, 2);
  assert.equal(join([shown, act("a", "click"), next], limit).window.impressionsOpen, 1);
});

Deno.test("event ids count towards the bytes, and actions alone close the oldest impressions", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 30; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
  }
  const impressionsBytesMax = join(records).window.heldBytes + 30 * 4_096;
  for (let i = 0; i < 30; i++) {
    for (let event = 0; event < 1_000; event++) {
      const eventId = `${i}-${event}`.padEnd(256, "x");
      records.push(action({ ranking: `r${i}`, item: "a", action: "click", atMs: 0, eventId }));
    }
  }
  const options = joinerOptions({ impressionsBytesMax, actionsPerImpressionMax: 1_000 });
  const { window, counts, examples } = join(records, options);
  assert.ok(window.heldBytes <= impressionsBytesMax, `${window.heldBytes} bytes`);
  assert.ok(counts.impressionsClosedEarly > 10, `${counts.impressionsClosedEarly} closed`);
  assert.deepEqual(examples.map(({ name }) => name), examples.map((_, i) => `r${i}/a`));
  const lastActedOn = examples.findIndex(({ label }) => label === 0);
  assert.equal(lastActedOn, -1, "an impression closes after its own actions, not before");
});

Deno.test("actions stay with their impression when its record moves in memory", () => {
  const records: EventRecord[] = [];
  const act = (i: number, kind: string) =>
    records.push(action({ ranking: `r${i}`, item: long(i), action: kind, atMs: 0 }));
  const long = (i: number) => `${i}-`.padEnd(20_000, "x");
  const stays = (i: number) => i % 25 === 0;
  for (let i = 0; i < 3_000; i++) {
    records.push(impression({ ranking: `r${i}`, items: [long(i)], atMs: 0 }));
    if (stays(i)) act(i, i % 2 === 0 ? "click" : "unknown");
    if (i >= 30 && !stays(i - 30)) act(i - 30, "buy");
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { window, examples } = join(records);
  assert.ok(window.memoryBytes < 2 * window.heldBytes + 10 * 2 ** 20);
  const clicked = examples.filter(({ name }) => stays(Number(name.slice(1).split("/")[0])));
  assert.equal(clicked.length, 120);
  for (const { name, label } of clicked) {
    assert.equal(label, Number(name.slice(1).split("/")[0]) % 2 === 0 ? 1 : 0, name.slice(0, 9));
  }
});

Deno.test("a window read again from its replay point closes the same impressions early", () => {
  const item = (name: string, kib: number) => name.padEnd(kib * 1_024 - 100, "y");
  const records: EventRecord[] = [];
  const show = (ranking: string, kib: number) =>
    records.push(impression({ ranking, items: [item(ranking, kib)], atMs: records.length }));
  const buy = (ranking: string, kib: number) =>
    records.push(
      action({ ranking, item: item(ranking, kib), action: "buy", atMs: records.length }),
    );
  // Impressions decided early leave gaps in memory, other gaps than when reading starts at X.
  show("A", 150);
  show("X", 100);
  buy("A", 150);
  for (let i = 0; i < 8; i++) show(`D${i}`, 31);
  show("Y0", 12);
  for (let i = 0; i < 8; i++) buy(`D${i}`, 31);
  for (let i = 1; i < 8; i++) show(`Y${i}`, 24);
  const options = joinerOptions({ windowMs: 1e9, impressionsBytesMax: 515 * 1_024 });

  const first = join(records, options).window;
  const { replayOffset, replayClockMs } = first.replayPoint(records.length);
  assert.equal(replayOffset, 1, "X is open");
  const again = new JoinWindow(options, {
    clockMs: replayClockMs,
    decidedBefore: 0,
    undecidedFrom: replayOffset,
    positives: undefined,
    wallMs: Infinity,
    endOffset: 0,
  });
  records.slice(replayOffset).forEach((record, i) => {
    again.observe(record, replayOffset + i);
    while (again.closeNext(record, replayOffset + i, () => undefined));
    again.accept(record, replayOffset + i, () => undefined);
  });
  assert.equal(again.counts.impressionsClosedEarly, 0);
  assert.equal(again.impressionsOpen, first.impressionsOpen);
  assert.equal(again.heldBytes, first.heldBytes);
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

Deno.test("sampling drops only negatives, and every example carries the rate", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 200; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a", "b"], atMs: 0 }));
    records.push(action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 0 }));
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { examples, counts } = join(
    records,
    joinerOptions({ negativeSampling: { rate: 0.25, seed: 5, correction: "logOdds" } }),
  );
  const negatives = examples.filter((e) => e.label === 0).length;
  assert.equal(examples.filter((e) => e.label === 1).length, 200);
  assert.equal(negatives + counts.examplesSampledOut, 200);
  assert.ok(negatives > 25 && negatives < 75, `${negatives} negatives kept`);
  assert.ok(examples.every((e) => Math.abs(e.logSampleRate - Math.log(0.25)) < 1e-6));
});

Deno.test("with weights, only an example that is negative in all tasks carries the rate", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 200; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a", "b"], atMs: 0 }));
    records.push(action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 0 }));
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { examples } = join(
    records,
    joinerOptions({ negativeSampling: { rate: 0.25, seed: 5, correction: "weight" } }),
  );
  for (const { label, logSampleRate } of examples) {
    assert.ok(Math.abs(logSampleRate - (label === 1 ? 0 : Math.log(0.25))) < 1e-6);
  }
  assert.ok(examples.some(({ label }) => label === 0));
});

Deno.test("every shown item becomes exactly one example, whatever actions come", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        ranking: fc.integer({ min: 0, max: 8 }),
        item: fc.integer({ min: 0, max: 3 }),
        action: fc.constantFrom("click", "buy", "dislike", "unknown"),
        stepMs: fc.integer({ min: 0, max: 400 }),
        impression: fc.boolean(),
      }),
      { maxLength: 120 },
    ),
    (steps) => {
      let atMs = 0;
      let shown = 0;
      const records: EventRecord[] = [];
      steps.forEach((step, i) => {
        atMs += step.stepMs;
        if (step.impression) {
          records.push(impression({ ranking: `n${i}-${step.ranking}`, items: ["0", "1"], atMs }));
          shown += 2;
        } else {
          const rankings = records.filter((r) => r.kind === "impression");
          const ranking = rankings[step.ranking % Math.max(1, rankings.length)]?.rankingId ??
            "none";
          records.push(
            action({ ranking, item: String(step.item % 3), action: step.action, atMs }),
          );
        }
      });
      records.push(impression({ ranking: "end", items: [], atMs: atMs + 1_000 }));
      const { examples, counts } = join(records);
      const names = new Set(examples.map((e) => e.name));
      assert.equal(names.size, examples.length);
      assert.equal(examples.length, shown);
      const actions = records.filter((r) => r.kind === "action").length;
      assert.equal(
        counts.actionsMatched + counts.actionsLate + counts.actionsUnmatched +
          counts.actionsIgnored + counts.actionsDuplicate + counts.actionsExcess,
        actions,
      );
    },
  ));
});

Deno.test("examples of an impression whose rows are a sample carry the rows' share", () => {
  const sampled = {
    ...impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    logSampleRate: Math.log(0.25),
  };
  const records = [
    sampled,
    action({ ranking: "r1", item: "a", action: "click", atMs: 1 }),
    impression({ ranking: "r2", items: ["c"], atMs: 1_000 }),
  ];
  const rates = (correction: "logOdds" | "weight") => {
    const negativeSampling = { rate: 1, seed: 1, correction } as const;
    const { examples } = join(records, joinerOptions({ negativeSampling }));
    return examples.map((
      { name, logSampleRate },
    ) => [name, Number(Math.exp(logSampleRate).toFixed(6))]);
  };
  assert.deepEqual(rates("logOdds"), [["r1/a", 0.25], ["r1/b", 0.25]], "all rows");
  assert.deepEqual(rates("weight"), [["r1/a", 1], ["r1/b", 0.25]], "negatives only");
});

/** The options of {@link joinerOptions}, with labels of the task learned from after the window. */
function late(lateMs: number, changes: Partial<JoinerOptions> = {}): JoinerOptions {
  const options = joinerOptions(changes);
  return { ...options, tasks: options.tasks.map((task) => ({ ...task, lateMs })) };
}

Deno.test("a positive label after the window becomes a further example, once", () => {
  const { examples, counts, window } = join([
    impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    impression({ ranking: "r2", items: ["c"], atMs: 1_000 }),
    action({ ranking: "r1", item: "a", action: "click", atMs: 1_500 }),
    action({ ranking: "r1", item: "a", action: "click", atMs: 1_600 }),
    action({ ranking: "r1", item: "b", action: "dislike", atMs: 1_700 }),
    impression({ ranking: "r3", items: ["d"], atMs: 3_000 }),
    action({ ranking: "r1", item: "b", action: "click", atMs: 3_001 }),
  ], late(3_000));
  assert.deepEqual(examples.map(({ name, label }) => [name, label]), [
    ["r1/a", 0],
    ["r1/b", 0],
    ["r1/a", 1],
    ["r2/c", 0],
  ]);
  assert.equal(counts.actionsLearnedLate, 1);
  assert.equal(counts.actionsLate, 3, "a repeated label, a negative one, and one after the time");
  assert.deepEqual([window.impressionsOpen, window.impressionsHeld], [1, 2]);
});

Deno.test("an item that a final action decided learns a positive label of a later action", () => {
  const { examples } = join([
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "dislike", atMs: 1 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 2 }),
  ], late(3_000));
  assert.deepEqual(examples.map(({ name, label }) => [name, label]), [["r1/a", 0], ["r1/a", 1]]);
});

Deno.test("examples correct for the labels that come late by their share and the served score", () => {
  const visits: EventRecord[] = [];
  // One of four labels comes in time. Scores are 0.5.
  for (let i = 0; i < 5; i++) {
    const atMs = 2_000 * i;
    visits.push(impression({ ranking: `r${i}`, items: ["a"], atMs }));
    const delay = i === 0 ? 10 : 1_500;
    visits.push(impression({ ranking: `tick${i}`, items: ["x"], atMs: atMs + delay }));
    visits.push(action({ ranking: `r${i}`, item: "a", action: "click", atMs: atMs + delay }));
  }
  const { examples } = join(visits.slice(0, -1), late(9_000));
  const of = (name: string) =>
    examples.filter((example) => example.name === name).map(({ label, logSampleRate }) =>
      [label, Number(Math.exp(logSampleRate).toFixed(4))] as const
    );
  assert.deepEqual(of("r0/a"), [[1, 1]], "no label was late before");
  assert.deepEqual(of("r4/a"), [[0, 2 * (1 - 0.5 / 4)]], "(1 - pF) / (1 - p)");
});

Deno.test("a late label of one of several tasks says nothing about the others", () => {
  const [{ task, rules }] = joinerOptions().tasks;
  const tasks = [
    { task, rules },
    { task: "bought", rules: [{ action: "buy", label: "positive" as const }], lateMs: 9_000 },
  ];
  const negativeSampling = { rate: 1, seed: 1, correction: "weight" } as const;
  const window = new JoinWindow(joinerOptions({ tasks, negativeSampling }));
  const out = new ExampleChunkBuilder({ slots: 2, denseWidth: 1, tasks: 2 }, 0);
  [
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    impression({ ranking: "r2", items: ["b"], atMs: 1_000 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 5_000 }),
  ].forEach((record, offset) => {
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => out));
    window.accept(record, offset, () => out);
  });
  const { labels, rows } = out.finish(0);
  assert.equal(rows, 3);
  assert.deepEqual([...new Float32Array(labels.buffer)], [0, 0, 0, 0, -1, 1]);
});
