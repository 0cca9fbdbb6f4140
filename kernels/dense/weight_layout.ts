/**
 * The layout of all parameters in one matrix, so that an optimizer updates one matrix instead of
 * many small ones.
 *
 * Each parameter starts at a new row. ONNX Runtime's CUDA kernels build a table with one entry per
 * index of the axis along which they concatenate or split: with rows of 256 weights the table is
 * small; for one long vector, building it took longer than the rest of a step.
 */
import { invariant } from "../../structures/invariant.ts";

/**
 * Weights per row of the matrix. On an H100, concatenating 143,106 weights as one vector took 768
 * µs.
 */
export const BLOCK_WIDTH = 256;

/** Position of one parameter in the matrix. */
export interface WeightRange {
  readonly name: string;
  readonly shape: readonly number[];
  /** Number of weights. */
  readonly size: number;
  readonly firstBlock: number;
  /** Number of rows; the unused end of the last one stays 0. */
  readonly blocks: number;
}

/** Positions of all parameters in the matrix. */
export interface WeightLayout {
  readonly ranges: readonly WeightRange[];
  /** Rows of the matrix. */
  readonly blocks: number;
  /** Number of rows of learned parameters; the rows of statistics follow. */
  readonly learnedBlocks: number;
}

interface Named {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** Lays out parameters in the given order. */
export function weightLayout(
  learned: readonly Named[],
  statistics: readonly Named[] = [],
): WeightLayout {
  let blocks = 0;
  const ranges = [...learned, ...statistics].map(({ name, shape }): WeightRange => {
    const dims = shape as readonly number[];
    const size = dims.reduce((product, dim) => product * dim, 1);
    const range = {
      name,
      shape: dims,
      size,
      firstBlock: blocks,
      blocks: Math.ceil(size / BLOCK_WIDTH),
    };
    blocks += range.blocks;
    return range;
  });
  const learnedBlocks = ranges[learned.length]?.firstBlock ?? blocks;
  invariant(learnedBlocks <= blocks, "learned parameters come before statistics");
  return { ranges, blocks, learnedBlocks };
}
