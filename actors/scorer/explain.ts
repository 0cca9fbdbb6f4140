/**
 * The contribution of each slot to an item's score (for a single task, its logit): the score with
 * all slots, minus the score without that slot.
 *
 * Leave-one-out works for any model and costs one forward pass over items × slots rows.
 * Contributions need not add up to the score: an effect of two slots together counts for both.
 *
 * @see Robnik-Šikonja and Kononenko, "Explaining classifications for individual instances", 2008
 */
import type { Model } from "../../kernels/dense/models/model.ts";
import type { PooledRows } from "./forward_pass.ts";

/** Inputs in which row i·slots + s is row `picked[i]` with slot s at zero. */
export function leaveSlotsOut(
  pooled: PooledRows,
  picked: readonly number[],
  { sparseInputs, historyInputs }: Pick<Model, "sparseInputs" | "historyInputs">,
): PooledRows {
  const slots = sparseInputs[0].dims.length;
  const rows = picked.length * slots;
  const sparse: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const { slice, dims } of sparseInputs) {
    const values = pooled.sparse[slice];
    const rowLength = dims.reduce((sum, dim) => sum + dim, 0);
    const out = new Float32Array(rows * rowLength);
    picked.forEach((row, i) => {
      const source = values.subarray(row * rowLength, (row + 1) * rowLength);
      let column = 0;
      dims.forEach((dim, slot) => {
        const target = (i * slots + slot) * rowLength;
        out.set(source, target);
        out.fill(0, target + column, target + column + dim);
        column += dim;
      });
    });
    sparse[slice] = out;
  }
  const histories: Record<string, PooledRows["histories"][string]> = {};
  for (const { name, slot } of historyInputs) {
    const { entries, present } = pooled.histories[name];
    histories[name] = {
      entries: repeated(entries, pooled.rows, picked, slots),
      present: repeated(present, pooled.rows, picked, slots),
    };
    const lengthMax = present.length / Math.max(1, pooled.rows);
    picked.forEach((_, i) => {
      const row = i * slots + slot;
      histories[name].present.fill(0, row * lengthMax, (row + 1) * lengthMax);
    });
  }
  const dense = repeated(pooled.dense, pooled.rows, picked, slots);
  return { rows, sparse, histories, dense };
}

/** The values of each picked row, `times` times. */
function repeated(
  values: Float32Array,
  rows: number,
  picked: readonly number[],
  times: number,
): Float32Array<ArrayBuffer> {
  const width = values.length / Math.max(1, rows);
  const out = new Float32Array(picked.length * times * width);
  picked.forEach((row, i) => {
    const source = values.subarray(row * width, (row + 1) * width);
    for (let n = 0; n < times; n++) out.set(source, (i * times + n) * width);
  });
  return out;
}

/** Smallest contribution, relative to the largest score: float32 sums differ by less. */
const ROUNDING = 1e-6;

/** Contributions by slot name, the largest magnitude first; 0 for a difference within rounding. */
export function contributions(
  score: number,
  /** The score without each slot, `[slots]`. */
  without: ArrayLike<number>,
  slotNames: readonly string[],
): { slot: string; contribution: number }[] {
  const least = ROUNDING * Math.max(Math.abs(score), ...Array.from(without, Math.abs));
  return slotNames
    .map((slot, s) => {
      const difference = score - without[s];
      return { slot, contribution: Math.abs(difference) < least ? 0 : difference };
    })
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
}
