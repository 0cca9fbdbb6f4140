/**
 * Turns looked-up rows into the dense model's inputs, and the inputs' gradients back into gradients of rows: one
 * pooling per segment that the model asks for. The trainer and the ranker share it, so that they pool alike.
 */
import type { FeatureBatch } from "../features/feature_batch.ts";
import type { BatchKernel } from "./batch_kernel.ts";
import { type Combiner, COMBINER_CODES } from "./options.ts";

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
  /** Pooling per slot. */
  readonly combiners: readonly Combiner[];
}

export class ModelInputs {
  /** Weights in a row. */
  readonly width: number;
  readonly #kernel: BatchKernel;
  readonly #inputs: readonly Input[];
  readonly #combiners: Uint8Array<ArrayBuffer>;

  /** @throws {Error} When the model asks for a segment that rows do not have, or of another dim. */
  constructor(kernel: BatchKernel, options: ModelInputsOptions) {
    this.#kernel = kernel;
    this.#combiners = Uint8Array.from(options.combiners, (combiner) => COMBINER_CODES[combiner]);
    this.width = options.segments.reduce((sum, { dim }) => sum + dim, 0);
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
   * @returns Per segment, `[rows, slots, dim]`; arrays of their own.
   */
  pool(
    rows: Float32Array,
    inverse: Uint32Array,
    batch: FeatureBatch,
  ): Record<string, Float32Array<ArrayBuffer>> {
    const inputs: Record<string, Float32Array<ArrayBuffer>> = {};
    const segments = batch.rows * this.#combiners.length;
    for (const { segment, column, dim } of this.#inputs) {
      const out = new Float32Array(segments * dim);
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
   * Sums the inputs' gradients per distinct id; columns that the model does not read get 0.
   *
   * @param gradients Per segment, `[rows, slots, dim]`.
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
    return out;
  }
}
