/**
 * Turns looked-up rows into the dense model's inputs, and the inputs' gradients back into gradients of rows. The
 * trainer and the ranker share it, so that they pool alike.
 */
import type { FeatureBatch } from "../features/feature_batch.ts";
import type { Combiner } from "./options.ts";
import { PoolKernel } from "./pool_kernel.ts";
import type { PoolBlock } from "./pool_plan.ts";

/** A list slot that the model reads entry by entry, see `Model.sequenceInputs`. */
export interface SequenceInput {
  readonly name: string;
  /** Position among the batch's slots. */
  readonly slot: number;
  readonly lengthMax: number;
  readonly dim: number;
}

/** The entries of a list slot. */
export interface Sequence {
  /** `[rows, lengthMax, dim]`, zeros where there is no entry. */
  readonly entries: Float32Array<ArrayBuffer>;
  /** 1 where there is an entry, `[rows, lengthMax]`. */
  readonly present: Float32Array<ArrayBuffer>;
}

/** What the model reads of a batch's embeddings. */
export interface PooledInputs {
  /** Per segment, `[rows, slots, dim]`. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** By the names of the model's sequence inputs. */
  readonly sequences: Readonly<Record<string, Sequence>>;
}

/** The segment that sequences are made of. */
const EMBEDDINGS = "embeddings";

export interface ModelInputsOptions {
  /** The table's segments in row order. */
  readonly segments: readonly { readonly name: string; readonly dim: number }[];
  /** What the model asks for. */
  readonly sparseInputs: readonly { readonly segment: string; readonly dim: number }[];
  /** Default: none. */
  readonly sequenceInputs?: readonly SequenceInput[];
  /** Pooling per slot. */
  readonly combiners: readonly Combiner[];
}

/** The inputs of one batch at a time. */
export class ModelInputs {
  /** Weights in a row. */
  readonly width: number;
  readonly #pooling: PoolKernel;
  readonly #slots: number;
  readonly #segments: readonly string[];
  readonly #sequences: readonly SequenceInput[];

  /** @throws {Error} When the model asks for a segment that rows do not have, or of another dim. */
  constructor({ segments, sparseInputs, sequenceInputs = [], combiners }: ModelInputsOptions) {
    this.width = segments.reduce((sum, { dim }) => sum + dim, 0);
    this.#slots = combiners.length;
    this.#segments = sparseInputs.map(({ segment }) => segment);
    this.#sequences = sequenceInputs;
    const columnOf = (segment: string, dim: number): number => {
      let column = 0;
      for (const candidate of segments) {
        if (candidate.name === segment && candidate.dim === dim) return column;
        column += candidate.dim;
      }
      const rows = segments.map(({ name, dim }) => `${name}[${dim}]`).join(", ");
      throw new Error(
        `The model needs the segment ${segment}[${dim}] and the embedding rows have ${rows}; ` +
          `give the embeddings the segments that the model asks for.`,
      );
    };
    const pooled = sparseInputs.map(({ segment, dim }): PoolBlock => {
      const column = columnOf(segment, dim);
      return {
        parts: combiners.map((combiner, slot) => ({ slot, combiner, entries: 1, column, dim })),
      };
    });
    const sequences = sequenceInputs.map(({ slot, lengthMax, dim }): PoolBlock => {
      const column = columnOf(EMBEDDINGS, dim);
      return { parts: [{ slot, combiner: "each", entries: lengthMax, column, dim }] };
    });
    this.#pooling = new PoolKernel({
      widths: [this.width],
      classOfSlot: combiners.map(() => 0),
      blocks: [...pooled, ...sequences],
    });
  }

  /**
   * The inputs of a batch, in the kernel's memory: valid until the next call.
   *
   * @param rows Rows of the distinct ids, `[unique, width]`.
   * @param inverse Position of each of the batch's ids among the distinct ones, `[ids]`.
   * @param into Arrays of the same sizes to copy them to, where they must last longer.
   */
  pool(
    rows: Float32Array,
    inverse: Uint32Array,
    batch: FeatureBatch,
    into?: Partial<PooledInputs>,
  ): PooledInputs {
    const { segmentOffsets } = batch;
    const groupStarts = Uint32Array.of(0, rows.length / this.width);
    const blocks = this.#pooling.pool([rows], { groupStarts, inverse, segmentOffsets });
    const pooled = {
      sparse: Object.fromEntries(this.#segments.map((segment, i) => [segment, blocks[i]] as const)),
      sequences: Object.fromEntries(this.#sequences.map((input, i) => {
        const entries = blocks[this.#segments.length + i];
        return [input.name, { entries, present: this.#present(input, batch) }] as const;
      })),
    };
    for (const [segment, array] of Object.entries(into?.sparse ?? {})) {
      array.set(pooled.sparse[segment]);
    }
    for (const [name, { entries, present }] of Object.entries(into?.sequences ?? {})) {
      entries.set(pooled.sequences[name].entries);
      present.set(pooled.sequences[name].present);
    }
    return pooled;
  }

  /**
   * Sums the gradients of the last batch's inputs per distinct id; columns that the model does not read get 0.
   *
   * @param gradients Per segment, `[rows, slots, dim]`, and per sequence, `[rows, lengthMax, dim]`.
   * @returns `[unique, width]`, an array of its own.
   */
  gradients(gradients: Readonly<Record<string, Float32Array>>): Float32Array<ArrayBuffer> {
    const names = [...this.#segments, ...this.#sequences.map(({ name }) => name)];
    return this.#pooling.gradients(names.map((name) => gradients[name]));
  }

  /** 1 where a list has an entry. */
  #present({ slot, lengthMax }: SequenceInput, { rows, segmentOffsets }: FeatureBatch) {
    const present = new Float32Array(rows * lengthMax);
    for (let row = 0; row < rows; row++) {
      const segment = row * this.#slots + slot;
      const entries = Math.min(segmentOffsets[segment + 1] - segmentOffsets[segment], lengthMax);
      present.fill(1, row * lengthMax, row * lengthMax + entries);
    }
    return present;
  }
}
