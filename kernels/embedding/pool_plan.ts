/**
 * The pooling plan: which columns of the slots' rows become which columns of the model's inputs,
 * encoded for the kernel. The decoder is the crate's `batch/plan.rs`.
 */
import { type Combiner, COMBINER_CODES } from "./options.ts";

/** Columns of one slot's rows that go to an input. */
export interface PoolPart {
  /** Index among the batch's slots. */
  readonly slot: number;
  /** "each" puts the slot's first `entries` rows next to each other instead of pooling them. */
  readonly combiner: Combiner | "each";
  /** 1 for pooled parts. */
  readonly entries: number;
  /** First column in the row. */
  readonly column: number;
  readonly dim: number;
}

/**
 * One input of the model: the columns of its parts next to each other, `[rows, Σ entries · dim]`.
 */
export interface PoolBlock {
  readonly parts: readonly PoolPart[];
}

export interface PoolPlan {
  /** Weights in a row, by class. */
  readonly widths: readonly number[];
  /** The class of each slot's rows. */
  readonly classByColumn: readonly number[];
  readonly blocks: readonly PoolBlock[];
}

const EACH_CODE = 4;

/** Floats of one example in a block. */
export function strideOf({ parts }: PoolBlock): number {
  return parts.reduce((sum, { entries, dim }) => sum + entries * dim, 0);
}

export function encodePoolPlan({ widths, classByColumn, blocks }: PoolPlan): Uint32Array {
  const parts = blocks.flatMap((block, number) => {
    let at = 0;
    return block.parts.map(({ slot, combiner, entries, column, dim }) => {
      const code = combiner === "each" ? EACH_CODE : COMBINER_CODES[combiner];
      const words = [slot, code, entries, column, dim, number, at];
      at += entries * dim;
      return words;
    });
  });
  // By slot, so that the kernel visits a row once for all inputs; the sort keeps each block's
  // order.
  parts.sort(([a], [b]) => a - b);
  return Uint32Array.from([
    ...[widths.length, ...widths],
    ...[blocks.length, ...blocks.map(strideOf)],
    ...[classByColumn.length, ...classByColumn],
    ...parts.flat(),
  ]);
}
