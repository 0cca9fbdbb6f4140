import assert from "node:assert/strict";
import { NegativeSampling } from "../../../actors/joiner/negative_sampling.ts";

Deno.test("a rate of 1 keeps every negative and corrects nothing", () => {
  const sampling = new NegativeSampling({ rate: 1, seed: 1, correction: "logOdds" });
  assert.equal(sampling.logSampleRate(true), 0);
  for (let i = 0; i < 1_000; i++) assert.ok(sampling.keeps(sampling.keyOf(`r${i}`), 0));
});

Deno.test("the share kept is the rate, within four standard errors", () => {
  for (const rate of [0.5, 0.1, 0.01]) {
    const sampling = new NegativeSampling({ rate, seed: 7, correction: "logOdds" });
    let kept = 0;
    const n = 40_000;
    for (let i = 0; i < n; i++) {
      if (sampling.keeps(sampling.keyOf(`ranking-${i >> 3}`), i & 7)) kept++;
    }
    const error = Math.sqrt(rate * (1 - rate) / n);
    assert.ok(Math.abs(kept / n - rate) < 4 * error, `rate ${rate}: kept ${kept / n}`);
  }
});

Deno.test("the decision depends on seed, ranking and row, and on nothing else", () => {
  const decisions = (seed: number, ranking: string) => {
    const sampling = new NegativeSampling({ rate: 0.5, seed, correction: "logOdds" });
    return Array.from({ length: 64 }, (_, row) => sampling.keeps(sampling.keyOf(ranking), row));
  };
  assert.deepEqual(decisions(3, "r"), decisions(3, "r"));
  assert.notDeepEqual(decisions(3, "r"), decisions(4, "r"));
  assert.notDeepEqual(decisions(3, "r"), decisions(3, "s"));
});

Deno.test("with the correction, training on sampled negatives finds the true rate of positives", () => {
  // Two groups with different true rates; gradient descent fits a logit each on the kept examples.
  const trueRates = [0.02, 0.2];
  const sampling = new NegativeSampling({ rate: 0.1, seed: 11, correction: "logOdds" });
  for (const [group, trueRate] of trueRates.entries()) {
    let positives = 0;
    let negatives = 0;
    const n = 100_000;
    for (let i = 0; i < n; i++) {
      if (i < n * trueRate) positives++;
      else if (sampling.keeps(sampling.keyOf(`g${group}-${i}`), 0)) negatives++;
    }
    let logit = 0;
    for (let step = 0; step < 2_000; step++) {
      const p = 1 / (1 + Math.exp(-(logit - sampling.logSampleRate(true))));
      logit -= 2 * ((positives + negatives) * p - positives) / (positives + negatives);
    }
    const served = 1 / (1 + Math.exp(-logit));
    assert.ok(Math.abs(served - trueRate) / trueRate < 0.05, `group ${group}: ${served}`);
  }
});

Deno.test("with weights, training on sampled negatives finds the true rate of every task", () => {
  // 30 % clicked, 1 % bought, and every buyer clicked: a click keeps most examples without
  // purchase.
  const tasks = [
    { name: "clicked", positive: (i: number) => i % 100 < 30, rate: 0.3 },
    { name: "bought", positive: (i: number) => i % 100 === 0, rate: 0.01 },
  ];
  const fitted = (correction: "logOdds" | "weight", positive: (i: number) => boolean) => {
    const sampling = new NegativeSampling({ rate: 0.1, seed: 11, correction });
    let [sum, positives, negatives] = [0, 0, 0];
    for (let i = 0; i < 100_000; i++) {
      const negative = tasks.every((task) => !task.positive(i));
      if (negative && !sampling.keeps(sampling.keyOf(`r${i}`), 0)) continue;
      const weight = correction === "weight" ? Math.exp(-sampling.logSampleRate(negative)) : 1;
      sum += weight;
      if (positive(i)) positives += weight;
      else negatives += weight;
    }
    const odds = positives / negatives;
    const corrected = correction === "logOdds" ? odds * 0.1 : odds;
    return { rate: corrected / (1 + corrected), sum };
  };
  for (const { name, positive, rate } of tasks) {
    const { rate: found, sum } = fitted("weight", positive);
    assert.ok(Math.abs(found - rate) / rate < 0.05, `${name}: ${found}`);
    assert.ok(Math.abs(sum - 100_000) < 3000, `${sum}`);
  }
  // The log-odds correction, exact for one label, is off by a factor of four for the second task.
  const { rate } = fitted("logOdds", tasks[1].positive);
  assert.ok(rate < 0.004, `${rate}`);
});
