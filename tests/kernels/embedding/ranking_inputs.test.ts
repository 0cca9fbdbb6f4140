import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../../kernels/embedding/model_inputs.ts";
import type { Combiner } from "../../../kernels/embedding/options.ts";
import { RankingInputs } from "../../../kernels/embedding/ranking_inputs.ts";
import type { RowLayout } from "../../../kernels/embedding/row_classes.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";
import { RankingMerger } from "../../../kernels/features/ranking_batch.ts";

const SHARDS = 2;
/** Slot number of column c is c + 1; columns 1 and 3 have wider rows than the others. */
const LAYOUT: RowLayout = {
  classes: [
    { slots: [1, 3], slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: 2 }] },
    { slots: [2, 4], slices: [{ name: "embeddings", dim: 3 }, { name: "first_order", dim: 1 }] },
  ],
  classByColumn: [0, 1, 0, 1],
};
const SPARSE_INPUTS = [
  { slice: "first_order", dims: [1, 1, 0, 1] },
  { slice: "embeddings", dims: [2, 3, 2, 3] },
];
const COMBINERS: readonly Combiner[] = ["sum", "mean", "sqrtn", "first"];
const SLOTS = COMBINERS.length;

const list = fc.array(fc.nat(6), { maxLength: 3 });
const requests = fc.array(
  fc.array(fc.array(list, { minLength: SLOTS, maxLength: SLOTS }), { minLength: 1, maxLength: 40 }),
  { minLength: 1, maxLength: 4 },
);
const someShared = fc.uniqueArray(fc.nat(SLOTS - 1), { minLength: 1, maxLength: SLOTS - 1 });

function batchOf(rows: readonly number[][][]): FeatureBatch {
  const lists = rows.flat();
  const listOffsets = new Uint32Array(lists.length + 1);
  lists.forEach((ids, i) => listOffsets[i + 1] = listOffsets[i] + ids.length);
  const ids = lists.flatMap((ids, i) => ids.map((id) => BigInt(i % SLOTS + 1) << 48n | BigInt(id)));
  return {
    rows: rows.length,
    ids: BigUint64Array.from(ids),
    listOffsets,
    dense: new Float32Array(0),
  };
}

/** A row of numbers that only its id decides. */
function rowsOf(kernel: BatchKernel, ids: BigUint64Array<ArrayBuffer>) {
  const grouped = kernel.unique(ids, SHARDS);
  const classes = LAYOUT.classes.length;
  const floats: number[] = [];
  for (let group = 0; group + 1 < grouped.groupStarts.length; group++) {
    const width = group % classes === 0 ? 3 : 4;
    for (let at = grouped.groupStarts[group]; at < grouped.groupStarts[group + 1]; at++) {
      const id = Number(grouped.uniqueIds[at] & 0xffn) + 10 * Number(grouped.uniqueIds[at] >> 48n);
      for (let i = 0; i < width; i++) floats.push(1 / (id + i + 1.5));
    }
  }
  return { grouped, rows: [Float32Array.from(floats)] };
}

Deno.test("rankings are pooled to the bits of whole rows, shared slots once a ranking", () => {
  const kernel = BatchKernel.create(LAYOUT.classes);
  const pooling = { layout: LAYOUT, sparseInputs: SPARSE_INPUTS, combiners: COMBINERS };
  const whole = new ModelInputs(pooling);
  fc.assert(fc.property(someShared, requests, (sharedSlots, drawn) => {
    const isShared = (slot: number) => sharedSlots.includes(slot);
    const rankings = drawn.map((rows) =>
      rows.map((row) => row.map((ids, slot) => isShared(slot) ? rows[0][slot] : ids))
    );
    const all = batchOf(rankings.flat());
    const expected = rowsOf(kernel, all.ids);
    const { sparse } = whole.pool(expected.rows, expected.grouped, all);

    const merger = new RankingMerger({ slots: SLOTS, denseWidth: 0 }, sharedSlots);
    const inputs = new RankingInputs(pooling, merger.slots);
    const batch = merger.merge(rankings.map(batchOf));
    const divided = rowsOf(kernel, batch.ids);
    const found = inputs.pool(divided.rows, divided.grouped, batch);

    const firstRows = rankings.map((_, i) => rankings.slice(0, i).flat().length);
    assert.equal(found.shared.rankings, rankings.length);
    for (const { slice, dims } of SPARSE_INPUTS) {
      const slotOf = dims.flatMap((dim, slot) => new Array<number>(dim).fill(slot));
      const column = (at: number) => slotOf[at % slotOf.length];
      const row = (at: number) => Math.floor(at / slotOf.length);
      const values = sparse[slice];
      assert.deepEqual(found.sparse[slice], values.filter((_, at) => !isShared(column(at))));
      assert.deepEqual(
        found.shared.sparse[slice],
        values.filter((_, at) => isShared(column(at)) && firstRows.includes(row(at))),
      );
    }
  }));
});
