/**
 * Where each parameter lies in the matrix that holds all weights, so that an optimizer updates one matrix instead of
 * many small ones.
 *
 * Each parameter begins a row of its own. ONNX Runtime's CUDA kernels build a table with an entry per index of the
 * axis along which they join or cut: with rows of 256 that table is small, with one long vector it took longer than
 * the rest of a step.
 */

/** Weights in a row of the matrix. Measured on an H100: joining 143,106 weights took 768 us as a vector. */
export const BLOCK_WIDTH = 256;

/** One parameter's place. */
export interface WeightSlot {
  readonly name: string;
  readonly shape: readonly number[];
  /** Weights. */
  readonly size: number;
  readonly firstBlock: number;
  /** Rows of the matrix; what is left of the last one stays 0. */
  readonly blocks: number;
}

/** The places of all parameters. */
export interface WeightLayout {
  readonly slots: readonly WeightSlot[];
  /** Rows of the matrix. */
  readonly blocks: number;
  /** The first of them: what gradients move. Statistics of the batches so far lie behind. */
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
  const slots = [...learned, ...statistics].map(({ name, shape }): WeightSlot => {
    const dims = shape as readonly number[];
    const size = dims.reduce((product, dim) => product * dim, 1);
    const slot = {
      name,
      shape: dims,
      size,
      firstBlock: blocks,
      blocks: Math.ceil(size / BLOCK_WIDTH),
    };
    blocks += slot.blocks;
    return slot;
  });
  const learnedBlocks = slots[learned.length]?.firstBlock ?? blocks;
  return { slots, blocks, learnedBlocks };
}
