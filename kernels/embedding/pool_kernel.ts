/**
 * Pools rows into the model's inputs and returns gradients, one call of the kernel each way. The
 * inputs are read where the kernel wrote them, so the instance has no other use that could move
 * them.
 */
import type { BatchExports } from "./batch_exports.ts";
import { instantiateKernel } from "./kernel_module.ts";
import { requireAccepted, reserveBuffer } from "./kernel_refusals.ts";
import { type Combiner, COMBINER_CODES } from "./options.ts";

/** The ids of a batch by group, and the lists of its examples. */
export interface PoolBatch {
  /**
   * Distinct ids of group g (one class of one shard) are those from `groupStarts[g]` to
   * `groupStarts[g + 1]`.
   */
  readonly groupStarts: Uint32Array;
  /** Index of each id among the distinct ones, `[ids]`. */
  readonly inverse: Uint32Array;
  /** Slot s of example e has the ids from `listOffsets[e · slots + s]` to the next. */
  readonly listOffsets: Uint32Array;
}

/** Pools by one plan, one batch at a time. */
export class PoolKernel {
  readonly #kernel: BatchExports;
  readonly #slots: number;
  /** Floats of one example, by block. */
  readonly #strides: readonly number[];
  readonly #learns: boolean;
  #examples = 0;
  #rowFloats = 0;

  /**
   * @param learns Whether {@link gradientBlocks} will be called.
   * @throws {RangeError} When a part does not lie inside its slot's rows.
   */
  constructor(plan: PoolPlan, learns = false) {
    this.#learns = learns;
    this.#kernel = instantiateKernel<BatchExports>();
    this.#slots = plan.classByColumn.length;
    this.#strides = plan.blocks.map(strideOf);
    const words = encodePoolPlan(plan);
    const address = reserveBuffer("plan pooling", this.#kernel.batch_plan, words.length);
    new Uint32Array(this.#kernel.memory.buffer, address, words.length).set(words);
    requireAccepted("plan pooling", this.#kernel.batch_pool_plan(words.length));
  }

  /**
   * Pools the rows of a batch's distinct ids; a slot without ids gives zeros.
   *
   * @param rows Rows of all groups in order, each as wide as its class, in any number of pieces.
   * @returns By block, `[examples, stride]`; the kernel's memory, valid until the next call.
   * @throws {RangeError} When shapes, offsets or indices do not fit.
   */
  pool(rows: readonly Float32Array[], batch: PoolBatch): Float32Array<ArrayBuffer>[] {
    const kernel = this.#kernel;
    const action = "pool rows";
    const { groupStarts, inverse, listOffsets } = batch;
    const rowFloats = rows.reduce((sum, { length }) => sum + length, 0);
    const lists = Math.max(0, listOffsets.length - 1);
    const examples = Math.floor(lists / this.#slots);
    const inputFloats = examples * this.#width();
    const rowsAt = reserveBuffer(action, kernel.batch_rows, rowFloats);
    const inputsAt = reserveBuffer(action, kernel.batch_pooled, inputFloats);
    // Reserved now, since a later reservation would move the pooled inputs.
    if (this.#learns) reserveBuffer(action, kernel.batch_gradients, inputFloats);
    const inverseAt = reserveBuffer(action, kernel.batch_inverse, inverse.length);
    const offsetsAt = reserveBuffer(action, kernel.batch_offsets, listOffsets.length);
    const groupsAt = reserveBuffer(action, kernel.batch_groups, groupStarts.length);
    const { buffer } = kernel.memory;
    let at = rowsAt;
    for (const piece of rows) {
      new Float32Array(buffer, at, piece.length).set(piece);
      at += piece.byteLength;
    }
    new Uint32Array(buffer, inverseAt, inverse.length).set(inverse);
    new Uint32Array(buffer, offsetsAt, listOffsets.length).set(listOffsets);
    new Uint32Array(buffer, groupsAt, groupStarts.length).set(groupStarts);
    const groups = Math.max(0, groupStarts.length - 1);
    requireAccepted(
      action,
      kernel.batch_pool(rowFloats, inputFloats, inverse.length, lists, groups),
    );
    this.#examples = examples;
    this.#rowFloats = rowFloats;
    return this.#blocks(inputsAt);
  }

  /**
   * Arrays in the kernel's memory for the gradients of the last {@link pool}'s results; {@link
   * gradients} need not copy them.
   *
   * @returns By block, `[examples, stride]`; valid until the next call.
   */
  gradientBlocks(): Float32Array<ArrayBuffer>[] {
    const floats = this.#examples * this.#width();
    return this.#blocks(reserveBuffer("keep gradients", this.#kernel.batch_gradients, floats));
  }

  /**
   * The gradient of the last {@link pool}: sums the inputs' gradients by distinct id.
   *
   * @param gradients By block, in the shapes of the inputs.
   * @returns In the shape of the rows; the kernel's memory, valid until the next call.
   * @throws {RangeError} When the shapes differ.
   */
  gradients(gradients: readonly Float32Array[]): Float32Array<ArrayBuffer> {
    const kernel = this.#kernel;
    const action = "return pooled gradients";
    const floats = this.#examples * this.#width();
    const blocks = this.#blocks(reserveBuffer(action, kernel.batch_gradients, floats));
    blocks.forEach((block, number) => {
      const { buffer, byteOffset, length } = gradients[number];
      if (length !== block.length) {
        throw new RangeError(
          `Cannot ${action}: input ${number} has ${block.length} floats and its gradient ${length}`,
        );
      }
      const isWrittenHere = buffer === block.buffer && byteOffset === block.byteOffset;
      if (!isWrittenHere) block.set(gradients[number]);
    });
    requireAccepted(action, kernel.batch_pool_gradient(floats, this.#rowFloats));
    const rowsAt = reserveBuffer(action, kernel.batch_rows, this.#rowFloats);
    return new Float32Array(kernel.memory.buffer as ArrayBuffer, rowsAt, this.#rowFloats);
  }

  #width(): number {
    return this.#strides.reduce((sum, stride) => sum + stride, 0);
  }

  #blocks(address: number): Float32Array<ArrayBuffer>[] {
    const buffer = this.#kernel.memory.buffer as ArrayBuffer;
    let at = address;
    return this.#strides.map((stride) => {
      const block = new Float32Array(buffer, at, this.#examples * stride);
      at += block.byteLength;
      return block;
    });
  }
}

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

/** The plan as the crate's `batch/plan.rs` decodes it. */
function encodePoolPlan({ widths, classByColumn, blocks }: PoolPlan): Uint32Array {
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
