import assert from "node:assert/strict";
import { ModelInputs } from "../../../kernels/embedding/model_inputs.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";

const SLICES = [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: 2 }];

/** Two rows; slot 0 has one id each, slot 1 a list of three ids and of one. */
const BATCH: FeatureBatch = {
  rows: 2,
  ids: BigUint64Array.of(10n, 20n, 21n, 22n, 11n, 20n),
  listOffsets: Uint32Array.of(0, 1, 4, 5, 6),
  dense: new Float32Array(0),
};
/** Positions among the distinct ids 10, 20, 21, 22, 11, all in one group. */
const GROUPED = { groupStarts: Uint32Array.of(0, 5), inverse: Uint32Array.of(0, 1, 2, 3, 4, 1) };
/** Row i of the distinct ids: [i, 10·i, 100·i]. */
const ROWS = Float32Array.from({ length: 15 }, (_, n) => Math.floor(n / 3) * 10 ** (n % 3));

function inputsOf(options: Partial<ConstructorParameters<typeof ModelInputs>[0]> = {}) {
  return new ModelInputs({
    layout: { classes: [{ slots: [], slices: SLICES }], classByColumn: [0, 0] },
    sparseInputs: [{ slice: "embeddings", dims: [2, 2] }, {
      slice: "first_order",
      dims: [1, 1],
    }],
    combiners: ["sum", "mean"],
    ...options,
  });
}

Deno.test("each input is pooled from its own columns, by its slot's combiner", () => {
  const { embeddings, first_order } = inputsOf().pool([ROWS], GROUPED, BATCH).sparse;
  assert.deepEqual([...first_order], [0, 2, 4, 1]);
  assert.deepEqual([...embeddings], [0, 0, 20, 200, 40, 400, 10, 100]);
});

Deno.test("inputs are copied into arrays that last", () => {
  const historyInputs = [{ name: "history1", slot: 1, lengthMax: 2, dim: 2 }];
  const inputs = inputsOf({ historyInputs });
  const into = {
    sparse: { embeddings: new Float32Array(8) },
    histories: { history1: { entries: new Float32Array(8), present: new Float32Array(4) } },
  };
  inputs.pool([ROWS], GROUPED, BATCH, into);
  inputs.pool([new Float32Array(15)], GROUPED, BATCH);
  assert.deepEqual([...into.sparse.embeddings], [0, 0, 20, 200, 40, 400, 10, 100]);
  assert.deepEqual([...into.histories.history1.entries], [10, 100, 20, 200, 10, 100, 0, 0]);
  assert.deepEqual([...into.histories.history1.present], [1, 1, 1, 0]);
});

Deno.test("gradients come back to the rows that were pooled, summed over duplicates", () => {
  const inputs = inputsOf();
  inputs.pool([ROWS], GROUPED, BATCH);
  const gradients = inputs.gradients({
    first_order: Float32Array.of(1, 3, 5, 7),
    embeddings: new Float32Array(8),
  });
  const firstOrder = Array.from({ length: 5 }, (_, row) => gradients[row * 3]);
  assert.deepEqual(firstOrder, [1, 1 + 7, 1, 1, 5]);
});

Deno.test("a history holds a list's first entries and marks which exist", () => {
  const inputs = inputsOf({
    historyInputs: [{ name: "history1", slot: 1, lengthMax: 2, dim: 2 }],
  });
  const { history1 } = inputs.pool([ROWS], GROUPED, BATCH).histories;
  assert.deepEqual([...history1.entries], [10, 100, 20, 200, 10, 100, 0, 0]);
  assert.deepEqual([...history1.present], [1, 1, 1, 0]);

  const gradients = inputs.gradients({
    first_order: new Float32Array(4),
    embeddings: new Float32Array(8),
    history1: Float32Array.of(1, 2, 3, 4, 5, 6, 99, 99),
  });
  assert.deepEqual([...gradients.subarray(3, 9)], [0, 1 + 5, 2 + 6, 0, 3, 4]);
  assert.deepEqual([...gradients.subarray(9)], [0, 0, 0, 0, 0, 0]);
});

Deno.test("a missing slice is refused with the slices that rows have", () => {
  assert.throws(
    () => inputsOf({ sparseInputs: [{ slice: "embeddings", dims: [2, 8] }] }),
    /needs the slice embeddings\[8\] of slot 1 and its embedding rows have first_order\[1\], embeddings\[2\]/,
  );
});
