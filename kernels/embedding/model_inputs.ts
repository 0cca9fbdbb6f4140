/**
 * Turns looked-up rows into the dense model's inputs, and the inputs' gradients back into gradients of rows: one
 * pooling per segment that the model asks for. The trainer and the ranker share it, so that they pool alike.
 */
import type { FeatureBatch } from "../features/feature_batch.ts";
import type { BatchKernel } from "./batch_kernel.ts";
import { type Combiner, COMBINER_CODES } from "./options.ts";

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

/** The segment that sequences are made of. */
const EMBEDDINGS = "embeddings";

interface Input {
  readonly segment: string;
  readonly column: number;
  readonly dim: number;
}

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

export class ModelInputs {
  /** Weights in a row. */
  readonly width: number;
  readonly #kernel: BatchKernel;
  readonly #inputs: readonly Input[];
  readonly #sequences: readonly SequenceInput[];
  readonly #combiners: Uint8Array<ArrayBuffer>;

  /** @throws {Error} When the model asks for a segment that rows do not have, or of another dim. */
  constructor(kernel: BatchKernel, options: ModelInputsOptions) {
    this.#kernel = kernel;
    this.#combiners = Uint8Array.from(options.combiners, (combiner) => COMBINER_CODES[combiner]);
    this.width = options.segments.reduce((sum, { dim }) => sum + dim, 0);
    this.#sequences = options.sequenceInputs ?? [];
    this.#inputs = options.sparseInputs.map(({ segment, dim }) => {
      let column = 0;
      for (const candidate of options.segments) {
        if (candidate.name === segment && candidate.dim === dim) return { segment, column, dim };
        column += candidate.dim;
      }
      const rows = options.segments.map(({ name, dim }) => `${name}[${dim}]`).join(", ");
      throw new Error(
        `The model needs the segment ${segment}[${dim}] and the embedding rows have ${rows}; ` +
          `give the embeddings the segments that the model asks for.`,
      );
    });
  }

  /**
   * Pools rows into the model's inputs.
   *
   * @param rows Rows of the distinct ids, `[unique, width]`.
   * @param inverse Position of each of the batch's ids among the distinct ones, `[nnz]`.
   * @param into Arrays of that size or larger to be used again, per segment. Default: new ones.
   * @returns Per segment, `[rows, slots, dim]`.
   */
  pool(
    rows: Float32Array,
    inverse: Uint32Array,
    batch: FeatureBatch,
    into: Readonly<Record<string, Float32Array<ArrayBuffer>>> = {},
  ): Record<string, Float32Array<ArrayBuffer>> {
    const inputs: Record<string, Float32Array<ArrayBuffer>> = {};
    const segments = batch.rows * this.#combiners.length;
    for (const { segment, column, dim } of this.#inputs) {
      const out = into[segment]?.subarray(0, segments * dim) ?? new Float32Array(segments * dim);
      this.#kernel.pool(
        rows,
        this.width,
        column,
        dim,
        inverse,
        batch.segmentOffsets,
        this.#combiners,
        out,
      );
      inputs[segment] = out;
    }
    return inputs;
  }

  /**
   * Gathers the list slots that the model reads entry by entry: the first `lengthMax` of each row.
   *
   * @param rows Rows of the distinct ids, `[unique, width]`.
   * @returns By the names of the model's sequence inputs; arrays of their own.
   */
  sequences(
    rows: Float32Array,
    inverse: Uint32Array,
    batch: FeatureBatch,
  ): Record<string, Sequence> {
    const sequences: Record<string, Sequence> = {};
    for (const input of this.#sequences) {
      const { positions, offsets, present } = this.#entriesOf(input, inverse, batch);
      const entries = new Float32Array(present.length * input.dim);
      const { column, dim } = this.#embeddings();
      const sums = new Uint8Array(input.lengthMax).fill(COMBINER_CODES.sum);
      this.#kernel.pool(rows, this.width, column, dim, positions, offsets, sums, entries);
      sequences[input.name] = { entries, present };
    }
    return sequences;
  }

  /**
   * Sums the inputs' gradients per distinct id; columns that the model does not read get 0.
   *
   * @param gradients Per segment, `[rows, slots, dim]`, and per sequence, `[rows, lengthMax, dim]`.
   * @returns `[unique, width]`
   */
  gradients(
    gradients: Readonly<Record<string, Float32Array>>,
    unique: number,
    inverse: Uint32Array,
    batch: FeatureBatch,
  ): Float32Array<ArrayBuffer> {
    const out = new Float32Array(unique * this.width);
    for (const { segment, column, dim } of this.#inputs) {
      this.#kernel.poolGradient(
        gradients[segment],
        this.width,
        column,
        dim,
        inverse,
        batch.segmentOffsets,
        this.#combiners,
        out,
      );
    }
    for (const input of this.#sequences) {
      const { positions, offsets } = this.#entriesOf(input, inverse, batch);
      const { column, dim } = this.#embeddings();
      const sums = new Uint8Array(input.lengthMax).fill(COMBINER_CODES.sum);
      const entries = gradients[input.name];
      this.#kernel.poolGradient(entries, this.width, column, dim, positions, offsets, sums, out);
    }
    return out;
  }

  /** Each entry as a segment of one id, so that gathering is pooling. */
  #entriesOf({ slot, lengthMax }: SequenceInput, inverse: Uint32Array, batch: FeatureBatch) {
    const slots = this.#combiners.length;
    const places = batch.rows * lengthMax;
    const positions = new Uint32Array(places);
    const offsets = new Uint32Array(places + 1);
    const present = new Float32Array(places);
    let taken = 0;
    for (let row = 0; row < batch.rows; row++) {
      const start = batch.segmentOffsets[row * slots + slot];
      const entries = Math.min(
        batch.segmentOffsets[row * slots + slot + 1] - start,
        lengthMax,
      );
      for (let entry = 0; entry < lengthMax; entry++) {
        if (entry < entries) {
          positions[taken++] = inverse[start + entry];
          present[row * lengthMax + entry] = 1;
        }
        offsets[row * lengthMax + entry + 1] = taken;
      }
    }
    return { positions: positions.subarray(0, taken), offsets, present };
  }

  #embeddings(): Input {
    return this.#inputs.find(({ segment }) => segment === EMBEDDINGS)!;
  }
}
