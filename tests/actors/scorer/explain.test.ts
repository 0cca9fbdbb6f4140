import assert from "node:assert/strict";
import { contributions, leaveSlotsOut } from "../../../actors/scorer/explain.ts";

Deno.test("each row comes once per slot, with that slot's vector at zero in every slice", () => {
  const pooled = {
    rows: 2,
    sparse: {
      first: Float32Array.of(1, 2, 3, 4), // [2 rows, 2 slots, dim 1]
      wide: Float32Array.of(1, 2, 2, 3, 4, 4), // dims 1 and 2
    },
    histories: {
      history0: {
        entries: Float32Array.of(5, 6, 7, 8), // [2 rows, lengthMax 2, dim 1]
        present: Float32Array.of(1, 0, 1, 1),
      },
    },
    dense: Float32Array.of(7, 8),
  };
  const without = leaveSlotsOut(pooled, [1], {
    sparseInputs: [{ slice: "first", dims: [1, 1] }, { slice: "wide", dims: [1, 2] }],
    historyInputs: [{ name: "history0", slot: 0, lengthMax: 2, dim: 1 }],
  });
  assert.equal(without.rows, 2);
  assert.deepEqual([...without.sparse.first], [0, 4, 3, 0]);
  assert.deepEqual([...without.sparse.wide], [0, 4, 4, 3, 0, 0]);
  assert.deepEqual([...without.histories.history0.entries], [7, 8, 7, 8]);
  assert.deepEqual([...without.histories.history0.present], [0, 0, 1, 1]);
  assert.deepEqual([...without.dense], [8, 8]);
});

Deno.test("a linear model's contributions are its terms, the strongest first", () => {
  const terms = { user: 0.5, item: -2, hour: 0.1 };
  const logit = Object.values(terms).reduce((a, b) => a + b);
  const without = Object.values(terms).map((term) => logit - term);
  const explained = contributions(logit, without, Object.keys(terms));
  assert.deepEqual(explained.map(({ slot }) => slot), ["item", "user", "hour"]);
  assert.ok(Math.abs(explained[0].contribution + 2) < 1e-12);
});

Deno.test("rounding is no contribution, and small scores keep theirs", () => {
  const score = Math.fround(0.3);
  const noisy = contributions(score, [score + 2.98e-8, 0.1, score], ["hour", "item", "user"]);
  assert.deepEqual(noisy.map(({ slot }) => slot), ["item", "hour", "user"]);
  assert.deepEqual(noisy.slice(1).map(({ contribution }) => contribution), [0, 0]);
  const small = contributions(3e-8, [1e-8, 3e-8], ["item", "user"]);
  assert.ok(small[0].slot === "item" && small[0].contribution > 1e-8);
});
