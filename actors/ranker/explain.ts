/**
 * What each slot brought to an item's score: the logit with everything, minus the logit with that slot left out.
 *
 * Leaving one out answers "what would change without it", for any model, at one forward pass over items × slots
 * rows. Contributions need not add up to the logit: what two slots do together counts for both.
 *
 * @see Robnik-Šikonja and Kononenko, "Explaining classifications for individual instances", 2008
 */

/** A model's inputs for some rows. */
export interface PooledRows {
  readonly rows: number;
  /** Per segment, `[rows, slots, dim]`. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** `[rows, denseWidth]` */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** Row i·slots + s is row `picked[i]` without slot s. */
export function leaveSlotsOut(
  pooled: PooledRows,
  picked: readonly number[],
  slots: number,
): PooledRows {
  const rows = picked.length * slots;
  const sparse: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [segment, values] of Object.entries(pooled.sparse)) {
    const dim = values.length / (pooled.rows * slots);
    const rowLength = slots * dim;
    const out = new Float32Array(rows * rowLength);
    picked.forEach((row, i) => {
      const source = values.subarray(row * rowLength, (row + 1) * rowLength);
      for (let slot = 0; slot < slots; slot++) {
        const target = (i * slots + slot) * rowLength;
        out.set(source, target);
        out.fill(0, target + slot * dim, target + (slot + 1) * dim);
      }
    });
    sparse[segment] = out;
  }
  const denseWidth = pooled.dense.length / Math.max(1, pooled.rows);
  const dense = new Float32Array(rows * denseWidth);
  picked.forEach((row, i) => {
    const source = pooled.dense.subarray(row * denseWidth, (row + 1) * denseWidth);
    for (let slot = 0; slot < slots; slot++) dense.set(source, (i * slots + slot) * denseWidth);
  });
  return { rows, sparse, dense };
}

/** Contributions by slot name, the strongest (whatever its sign) first. */
export function contributions(
  logit: number,
  /** The first task's logits without each slot, `[slots]`. */
  without: ArrayLike<number>,
  slotNames: readonly string[],
): { slot: string; contribution: number }[] {
  return slotNames
    .map((slot, s) => ({ slot, contribution: logit - without[s] }))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
}
