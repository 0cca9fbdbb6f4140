import assert from "node:assert/strict";
import fc from "fast-check";
import {
  areaUnderCurve,
  calibrationOf,
  logloss,
  ScoreRecorder,
  sigmoid,
  since,
} from "../../../actors/trainer/progressive_validation.ts";

/**
 * The definition: the share of (positive, negative) pairs in the right order, ties counting half.
 */
function areaByPairs(scored: readonly (readonly [number, number])[]): number {
  let wins = 0;
  let pairs = 0;
  for (const [positive, one] of scored) {
    for (const [negative, zero] of scored) {
      if (one !== 1 || zero !== 0) continue;
      pairs++;
      wins += positive > negative ? 1 : positive === negative ? 0.5 : 0;
    }
  }
  return wins / pairs;
}

Deno.test("the area under the curve is the share of pairs in the right order", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(0, 1)), { maxLength: 60 }),
    (scored) => {
      const recorder = new ScoreRecorder(16);
      for (const [bin, label] of scored) recorder.record((bin + 0.5) / 16, label, 0);
      const area = areaUnderCurve(recorder.read());
      const expected = areaByPairs(scored);
      if (Number.isNaN(expected)) assert.ok(Number.isNaN(area));
      else assert.ok(Math.abs(area - expected) < 1e-12);
    },
  ));
});

Deno.test("the difference of two readings holds the records between them", () => {
  const recorder = new ScoreRecorder(4);
  recorder.record(0.9, 0, 1);
  const earlier = recorder.read();
  recorder.record(0.1, 0, 2);
  recorder.record(0.8, 1, 3);
  const interval = since(earlier, recorder.read());
  assert.equal(interval.examples, 2);
  assert.equal(interval.lossSum, 5);
  assert.equal(areaUnderCurve(interval), 1);
});

Deno.test("the calibration of an interval is its mean prediction by its mean label, by weight", () => {
  const recorder = new ScoreRecorder(4);
  recorder.calibrate(0.9, 0);
  const earlier = recorder.read();
  recorder.calibrate(0.5, 1);
  recorder.calibrate(0.25, 0, 4);
  recorder.calibrate(NaN, 1);
  assert.equal(calibrationOf(since(earlier, recorder.read())), 1.5);
  assert.ok(!Number.isFinite(calibrationOf(earlier)));
  const sum = new ScoreRecorder(4);
  sum.add(recorder.read());
  sum.add(recorder.read());
  assert.equal(calibrationOf(sum.read()), 2.4);
  sum.clear();
  assert.ok(Number.isNaN(calibrationOf(sum.read())));
});

Deno.test("a score of 1 is counted in the last bin, and NaN in none", () => {
  const recorder = new ScoreRecorder(4);
  recorder.record(1, 1, 0);
  recorder.record(NaN, 1, 0);
  const { positives, examples } = recorder.read();
  assert.deepEqual([...positives], [0, 0, 0, 1]);
  assert.equal(examples, 1);
});

Deno.test("logloss is -ln p, and stays finite for logits that saturate", () => {
  assert.ok(Math.abs(logloss(0.3, 1) + Math.log(sigmoid(0.3))) < 1e-12);
  assert.ok(Math.abs(logloss(0.3, 0) + Math.log(1 - sigmoid(0.3))) < 1e-12);
  assert.equal(logloss(-1_000, 1), 1_000);
  assert.equal(logloss(1_000, 1), 0);
});
