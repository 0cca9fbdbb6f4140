import assert from "node:assert/strict";
import { NegativeSampling } from "../../../actors/joiner/negative_sampling.ts";

Deno.test("a rate of 1 keeps every negative and corrects nothing", () => {
  const sampling = new NegativeSampling({ rate: 1, seed: 1 });
  assert.equal(sampling.logSampleRate, 0);
  for (let i = 0; i < 1_000; i++) assert.ok(sampling.keeps(`r${i}`, "a"));
});

Deno.test("the share kept is the rate, within four standard errors", () => {
  for (const rate of [0.5, 0.1, 0.01]) {
    const sampling = new NegativeSampling({ rate, seed: 7 });
    let kept = 0;
    const n = 40_000;
    for (let i = 0; i < n; i++) if (sampling.keeps(`ranking-${i >> 3}`, `item${i & 7}`)) kept++;
    const error = Math.sqrt(rate * (1 - rate) / n);
    assert.ok(Math.abs(kept / n - rate) < 4 * error, `rate ${rate}: kept ${kept / n}`);
  }
});

Deno.test("the decision depends on seed, ranking and item, and on nothing else", () => {
  const decisions = (seed: number) => {
    const sampling = new NegativeSampling({ rate: 0.5, seed });
    return Array.from({ length: 64 }, (_, i) => sampling.keeps(`r${i}`, "x"));
  };
  assert.deepEqual(decisions(3), decisions(3));
  assert.notDeepEqual(decisions(3), decisions(4));
});

Deno.test("with the correction, training on sampled negatives finds the true rate of positives", () => {
  // Two groups whose true rates differ; one logit each, fitted by gradient descent on what was kept.
  const trueRates = [0.02, 0.2];
  const sampling = new NegativeSampling({ rate: 0.1, seed: 11 });
  for (const [group, trueRate] of trueRates.entries()) {
    let positives = 0;
    let negatives = 0;
    const n = 100_000;
    for (let i = 0; i < n; i++) {
      if (i < n * trueRate) positives++;
      else if (sampling.keeps(`g${group}-${i}`, "x")) negatives++;
    }
    let logit = 0;
    for (let step = 0; step < 2_000; step++) {
      const p = 1 / (1 + Math.exp(-(logit - sampling.logSampleRate)));
      logit -= 2 * ((positives + negatives) * p - positives) / (positives + negatives);
    }
    const served = 1 / (1 + Math.exp(-logit));
    assert.ok(Math.abs(served - trueRate) / trueRate < 0.05, `group ${group}: ${served}`);
  }
});
