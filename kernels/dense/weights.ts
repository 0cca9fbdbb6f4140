/**
 * A model's dense weights, as they travel between trainers, rankers and snapshots.
 */
export interface DenseTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export interface DenseWeights {
  /** Training steps that made them, from 0; grows. */
  readonly version: number;
  /** Parameters by name (`w0`, `b0`, `bias`, …). */
  readonly parameters: Readonly<Record<string, DenseTensor>>;
}
