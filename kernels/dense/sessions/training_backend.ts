/**
 * The interface of backends, which run compiled steps: the reference evaluator, or ONNX Runtime on
 * a device.
 */

/**
 * Matrices in the layout of the weights, row-major, by name: `weights`, and the optimizer's state.
 */
export type StateVectors = Record<string, Float32Array<ArrayBuffer>>;

export type HostArrays = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

export interface TrainingBackend {
  readonly provider: string;
  /**
   * Computes one step from the present state. {@link commit} makes the next state the present one;
   * without it, the next run discards that state and starts from the same present state again.
   *
   * @param feeds Inputs of the graph other than the state, by name.
   * @param into Arrays for outputs, by name; a backend that cannot write into them ignores them.
   * @returns Outputs of the graph other than the state. Arrays that are not from `into` are valid
   *   until the next run.
   */
  run(rows: number, feeds: HostArrays, into: HostArrays): Promise<HostArrays>;
  /** Makes the next state of the last run the present state. */
  commit(): void;
  /** A copy of the present state. */
  readState(): Promise<StateVectors>;
  /** Replaces the present state by a copy of `vectors`. */
  writeState(vectors: Readonly<StateVectors>): Promise<void>;
  close(): Promise<void>;
}

/** A backend whose steps several threads can share. */
export interface PartsBackend extends TrainingBackend {
  /** The present weights; the next step but one writes into this array. */
  readonly weights: Float32Array<ArrayBuffer>;
  /** Takes an array as the present weights, for {@link runPart}; it is read until the next call. */
  useWeights(weights: Float32Array<ArrayBuffer>): void;
  /** Arrays for the gradients of a step's parts, in their order; valid until the next call. */
  gradientsOfParts(parts: number): readonly Float32Array<ArrayBuffer>[];
  /**
   * Runs the rows of one part, up to the gradient of the weights.
   *
   * @param gradient Receives the gradient, in the layout of the weights.
   * @returns As {@link run}; the loss is the sum over these rows divided by those of the batch.
   */
  runPart(
    rows: number,
    feeds: HostArrays,
    into: HostArrays,
    gradient: Float32Array<ArrayBuffer>,
  ): Promise<HostArrays>;
  /**
   * Computes the next state from the gradients of parts `[0, parts)`; see {@link commit}.
   *
   * @param scalars The optimizer's inputs for this step, by name.
   * @returns The sum of squares that tells whether the state is finite.
   */
  endStep(parts: number, scalars: HostArrays): Promise<HostArrays>;
}
