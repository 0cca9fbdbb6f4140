/**
 * Turns rows into the dense model's inputs, and gradients of the inputs into gradients of the rows.
 * Trainer and scorer share it, so both pool alike.
 */
import type { FeatureBatch } from "../features/feature_batch.ts";
import type { UniqueIds } from "./batch_kernel.ts";
import type { Combiner } from "./options.ts";
import type { HistoryArrays } from "../dense/history_arrays.ts";
import type { HistoryInput, SparseInput } from "../dense/models/model.ts";
import { type PoolBlock, PoolKernel } from "./pool_kernel.ts";
import { EMBEDDINGS, floatOf, type RowLayout, widthOf } from "./row_classes.ts";

/** The embedding inputs of the model. */
export interface PooledInputs {
  /** Per slice, the slots' vectors next to each other, `[rows, Σ dims]`. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** By the names of the model's history inputs. */
  readonly histories: Readonly<Record<string, HistoryArrays>>;
}

/** Inputs, and arrays for their gradients. */
export interface LearningInputs extends PooledInputs {
  /** By the names of slices and histories, in their inputs' shapes. */
  readonly gradients: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
}

export interface ModelInputsOptions {
  readonly layout: RowLayout;
  /** Inputs of the model: for each slot a vector of so many weights, 0 = none. */
  readonly sparseInputs: readonly SparseInput[];
  /** Default: none. */
  readonly historyInputs?: readonly HistoryInput[];
  /** Pooling by slot. */
  readonly combiners: readonly Combiner[];
  /** Whether {@link ModelInputs.poolToLearn} will be called. Default: false. */
  readonly learns?: boolean;
}

/**
 * The blocks that pool each slice of some slots, whose lists a batch has in this order.
 *
 * @throws {Error} When the model needs a slice that rows do not have, or of another dim.
 */
export function sliceBlocks(
  { layout, sparseInputs, combiners }: Pick<
    ModelInputsOptions,
    "layout" | "sparseInputs" | "combiners"
  >,
  slots: readonly number[],
): PoolBlock[] {
  return sparseInputs.map(({ slice, dims }) => ({
    parts: slots.flatMap((column, slot) => {
      const dim = dims[column];
      if (dim === 0) return [];
      return [{
        slot,
        combiner: combiners[column],
        entries: 1,
        column: floatOf(layout, { column, slice, dim }),
        dim,
      }];
    }),
  }));
}

/** The inputs of one batch at a time. */
export class ModelInputs {
  readonly #pooling: PoolKernel;
  readonly #slots: number;
  readonly #slices: readonly string[];
  readonly #histories: readonly HistoryInput[];

  /** @throws {Error} When the model needs a slice that rows do not have, or of another dim. */
  constructor(
    { layout, sparseInputs, historyInputs = [], combiners, learns = false }: ModelInputsOptions,
  ) {
    const { classes, classByColumn } = layout;
    this.#slots = combiners.length;
    this.#slices = sparseInputs.map(({ slice }) => slice);
    this.#histories = historyInputs;
    const pooled = sliceBlocks({ layout, sparseInputs, combiners }, [...combiners.keys()]);
    const histories = historyInputs.map(({ slot, lengthMax, dim }): PoolBlock => {
      const column = floatOf(layout, { column: slot, slice: EMBEDDINGS, dim });
      return { parts: [{ slot, combiner: "each", entries: lengthMax, column, dim }] };
    });
    this.#pooling = new PoolKernel({
      widths: classes.map(widthOf),
      classByColumn,
      blocks: [...pooled, ...histories],
    }, { learns });
  }

  /**
   * The inputs of a batch, in the kernel's memory: valid until the next call.
   *
   * @param rows Rows of the distinct ids: for n ids of a group `[n, width]`, group after group, in
   *   any number of pieces.
   * @param grouped The batch's distinct ids, grouped by shard and class.
   * @param into Arrays of the same sizes, to which the inputs are copied if they must last longer.
   */
  pool(
    rows: readonly Float32Array[],
    { groupStarts, inverse }: Pick<UniqueIds, "groupStarts" | "inverse">,
    batch: FeatureBatch,
    into?: Partial<PooledInputs>,
  ): PooledInputs {
    const { listOffsets } = batch;
    const blocks = this.#pooling.pool(rows, { groupStarts, inverse, listOffsets });
    const pooled = {
      sparse: Object.fromEntries(this.#slices.map((slice, i) => [slice, blocks[i]] as const)),
      histories: Object.fromEntries(this.#histories.map((input, i) => {
        const entries = blocks[this.#slices.length + i];
        return [input.name, { entries, present: this.#present(input, batch) }] as const;
      })),
    };
    for (const [slice, array] of Object.entries(into?.sparse ?? {})) {
      array.set(pooled.sparse[slice]);
    }
    for (const [name, { entries, present }] of Object.entries(into?.histories ?? {})) {
      entries.set(pooled.histories[name].entries);
      present.set(pooled.histories[name].present);
    }
    return pooled;
  }

  /**
   * As {@link pool}, with arrays for the gradients in the kernel's memory, which {@link gradients}
   * need not copy.
   */
  poolToLearn(
    rows: readonly Float32Array[],
    grouped: Pick<UniqueIds, "groupStarts" | "inverse">,
    batch: FeatureBatch,
  ): LearningInputs {
    const inputs = this.pool(rows, grouped, batch);
    const blocks = this.#pooling.gradientBlocks();
    const gradients = this.#names().map((name, i) => [name, blocks[i]] as const);
    return { ...inputs, gradients: Object.fromEntries(gradients) };
  }

  /**
   * Sums the gradients of the last batch's inputs by distinct id; columns that the model does not
   * read get 0.
   *
   * @param gradients Per slice, `[rows, Σ dims]`, and per history, `[rows, lengthMax, dim]`.
   * @returns In the shape of all rows; the kernel's memory, valid until the next call.
   */
  gradients(gradients: Readonly<Record<string, Float32Array>>): Float32Array<ArrayBuffer> {
    return this.#pooling.gradients(this.#names().map((name) => gradients[name]));
  }

  /** Names of the inputs, in the kernel's order. */
  #names(): string[] {
    return [...this.#slices, ...this.#histories.map(({ name }) => name)];
  }

  /** 1 where a list has an entry. */
  #present({ slot, lengthMax }: HistoryInput, { rows, listOffsets }: FeatureBatch) {
    const present = new Float32Array(rows * lengthMax);
    for (let row = 0; row < rows; row++) {
      const list = row * this.#slots + slot;
      const entries = Math.min(listOffsets[list + 1] - listOffsets[list], lengthMax);
      present.fill(1, row * lengthMax, row * lengthMax + entries);
    }
    return present;
  }
}
