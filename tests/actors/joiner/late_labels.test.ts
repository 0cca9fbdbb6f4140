/**
 * Goal: a positive label that comes after its example was decided is learned from.
 */
import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, COLUMNS, impression, joinerOptions } from "./records.ts";
import { join } from "./joined_records.ts";

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

Deno.test("examples correct for the labels that come late by their share and the served prediction", () => {
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
  const out = new ExampleChunkBuilder({ ...COLUMNS, tasks: 2 }, 0);
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
