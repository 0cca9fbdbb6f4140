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

/** A plan in the kernel. */
interface PlannedPooling {
  readonly slots: number;
  /** Floats of one example, by block. */
  readonly strides: readonly number[];
  readonly width: number;
}

/** Pools by one plan, or by two over the same rows, one batch at a time. */
export class PoolKernel {
  readonly #kernel: BatchExports;
  readonly #plans: readonly PlannedPooling[];
  readonly #learns: boolean;
  #examples = 0;
  #rowFloats = 0;

  /**
   * @param options.learns Whether {@link gradientBlocks} will be called.
   * @param options.shared The plan of lists that several examples share; see {@link poolBoth}.
   * @throws {RangeError} When a part does not lie inside its slot's rows.
   */
  constructor(
    plan: PoolPlan,
    { learns = false, shared }: { readonly learns?: boolean; readonly shared?: PoolPlan } = {},
  ) {
    this.#learns = learns;
    this.#kernel = instantiateKernel<BatchExports>();
    const plans = shared === undefined ? [plan] : [plan, shared];
    this.#plans = plans.map((each, number) => this.#planned(each, number));
  }

  #planned(plan: PoolPlan, number: number): PlannedPooling {
    const words = encodePoolPlan(plan);
    const address = reserveBuffer("plan pooling", this.#kernel.batch_plan, words.length);
    new Uint32Array(this.#kernel.memory.buffer, address, words.length).set(words);
    requireAccepted("plan pooling", this.#kernel.batch_pool_plan(number, words.length));
    const strides = plan.blocks.map(strideOf);
    return {
      slots: plan.classByColumn.length,
      strides,
      width: strides.reduce((sum, stride) => sum + stride, 0),
    };
  }

  /**
   * Pools the rows of a batch's distinct ids; a slot without ids gives zeros.
   *
   * @param rows Rows of all groups in order, each as wide as its class, in any number of pieces.
   * @returns By block, `[examples, stride]`; the kernel's memory, valid until the next call.
   * @throws {RangeError} When shapes, offsets or indices do not fit.
   */
  pool(rows: readonly Float32Array[], batch: PoolBatch): Float32Array<ArrayBuffer>[] {
    const [blocks] = this.#pool(rows, [batch]);
    return blocks;
  }

  /**
   * As {@link pool}, of two batches over the same distinct ids: `own` by the first plan, `shared`
   * by the second.
   *
   * @returns The inputs of each; the kernel's memory, valid until the next call.
   */
  poolBoth(
    rows: readonly Float32Array[],
    { own, shared }: Readonly<Record<"own" | "shared", PoolBatch>>,
  ): Record<"own" | "shared", Float32Array<ArrayBuffer>[]> {
    const [ofOwn, ofShared] = this.#pool(rows, [own, shared]);
    return { own: ofOwn, shared: ofShared };
  }

  /** Pools each batch by the plan of its number; their inputs lie one behind the other. */
  #pool(
    rows: readonly Float32Array[],
    batches: readonly PoolBatch[],
  ): Float32Array<ArrayBuffer>[][] {
    const kernel = this.#kernel;
    const action = "pool rows";
    const rowFloats = rows.reduce((sum, { length }) => sum + length, 0);
    let inputFloats = 0;
    const sizes = batches.map(({ listOffsets }, number) => {
      const { slots, width } = this.#plans[number];
      const lists = Math.max(0, listOffsets.length - 1);
      const examples = Math.floor(lists / slots);
      const start = inputFloats;
      inputFloats += examples * width;
      return { lists, examples, start, floats: examples * width };
    });
    const longest = (field: "inverse" | "listOffsets" | "groupStarts") =>
      batches.reduce((length, batch) => Math.max(length, batch[field].length), 0);
    const rowsAt = reserveBuffer(action, kernel.batch_rows, rowFloats);
    const inputsAt = reserveBuffer(action, kernel.batch_pooled, inputFloats);
    // Reserved now, since a later reservation would move the pooled inputs.
    if (this.#learns) reserveBuffer(action, kernel.batch_gradients, inputFloats);
    const inverseAt = reserveBuffer(action, kernel.batch_inverse, longest("inverse"));
    const offsetsAt = reserveBuffer(action, kernel.batch_offsets, longest("listOffsets"));
    const groupsAt = reserveBuffer(action, kernel.batch_groups, longest("groupStarts"));
    let at = rowsAt;
    for (const piece of rows) {
      new Float32Array(kernel.memory.buffer, at, piece.length).set(piece);
      at += piece.byteLength;
    }
    batches.forEach(({ inverse, listOffsets, groupStarts }, number) => {
      const { lists, start, floats } = sizes[number];
      // The call before may have grown the memory, which ends all views of it.
      const { buffer } = kernel.memory;
      new Uint32Array(buffer, inverseAt, inverse.length).set(inverse);
      new Uint32Array(buffer, offsetsAt, listOffsets.length).set(listOffsets);
      new Uint32Array(buffer, groupsAt, groupStarts.length).set(groupStarts);
      const groups = Math.max(0, groupStarts.length - 1);
      requireAccepted(
        action,
        kernel.batch_pool(number, rowFloats, start, floats, inverse.length, lists, groups),
      );
    });
    this.#examples = sizes[0].examples;
    this.#rowFloats = rowFloats;
    return sizes.map(({ examples, start }, number) =>
      this.#blocks(inputsAt + 4 * start, number, examples)
    );
  }

  /**
   * Arrays in the kernel's memory for the gradients of the last {@link pool}'s results; {@link
   * gradients} need not copy them.
   *
   * @returns By block, `[examples, stride]`; valid until the next call.
   */
  gradientBlocks(): Float32Array<ArrayBuffer>[] {
    const floats = this.#examples * this.#plans[0].width;
    const address = reserveBuffer("keep gradients", this.#kernel.batch_gradients, floats);
    return this.#blocks(address, 0, this.#examples);
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
    const floats = this.#examples * this.#plans[0].width;
    const address = reserveBuffer(action, kernel.batch_gradients, floats);
    const blocks = this.#blocks(address, 0, this.#examples);
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

  /** The blocks of a plan's inputs that begin at an address. */
  #blocks(address: number, plan: number, examples: number): Float32Array<ArrayBuffer>[] {
    const buffer = this.#kernel.memory.buffer as ArrayBuffer;
    let at = address;
    return this.#plans[plan].strides.map((stride) => {
      const block = new Float32Array(buffer, at, examples * stride);
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
