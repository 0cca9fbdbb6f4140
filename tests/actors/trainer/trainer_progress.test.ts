import assert from "node:assert/strict";
import type { LearnedBatch } from "../../../actors/trainer/batch_pipeline.ts";
import { TrainerProgress } from "../../../actors/trainer/trainer_progress.ts";

const CUT = new Map([[0, { sequence: 10, offset: 5, learnedThroughMs: 1 }]]);

/** A learned batch of two rows that ends at a sequence. */
function learned(sequence: number): LearnedBatch {
  const after = { sequence, offset: sequence, learnedThroughMs: sequence };
  return {
    batch: { partition: 0, features: { rows: 2 }, sequence, after, passed: new Map() },
    loss: 1 / sequence,
    tookMs: 1,
  } as unknown as LearnedBatch;
}

function progressWithRows() {
  const counted: number[] = [];
  const progress = new TrainerProgress([0], {
    batchLearned: ({ rows }) => void counted.push(rows),
    learnedUpTo: () => {},
  });
  return { progress, counted };
}

Deno.test("a batch that a shard had applied before the start is not counted in the metrics", () => {
  const { progress, counted } = progressWithRows();
  progress.start(CUT, new Map([[0, [12, 14]]]));
  for (const sequence of [12, 14, 16]) progress.learned(learned(sequence));
  assert.deepEqual(counted, [0, 0, 2]);
  assert.deepEqual([progress.steps, progress.examples, progress.loss], [3, 6, 1 / 16]);
  assert.equal(progress.of(0).sequence, 16);
});

Deno.test("progress that goes back, and a row that is learned twice, break an invariant", () => {
  const { progress } = progressWithRows();
  progress.start(CUT, new Map([[0, [10]]]));
  const back = new Map([[0, { sequence: 11, offset: 4, learnedThroughMs: 1 }]]);
  assert.throws(() => progress.advance(back), /a trainer reads its log forwards/);
  assert.throws(() => progress.learned(learned(11)), /each row is learned once/);
  assert.equal(progress.steps, 0);
});

Deno.test("the changes of a progress grow when it moves, and not when it is told where it is", () => {
  const { progress } = progressWithRows();
  progress.start(CUT, new Map([[0, [10]]]));
  const { changes } = progress;
  progress.advance(progress.now);
  assert.equal(progress.changes, changes);
  progress.learned(learned(12));
  assert.equal(progress.changes, changes + 1);
});

Deno.test("without a snapshot the progress begins at the log's beginning", () => {
  const { progress } = progressWithRows();
  progress.start(new Map(), new Map([[0, [0, 0]]]));
  assert.deepEqual(progress.of(0), { sequence: 0, offset: 0, learnedThroughMs: 0 });
});
