/**
 * What runs compiled steps: the reference evaluator, or ONNX Runtime on some device.
 */

/** Matrices of all weights by name, row-major: `weights`, and the optimizer's. */
export type StateVectors = Record<string, Float32Array<ArrayBuffer>>;

export type HostArrays = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

export interface TrainingBackend {
  readonly provider: string;
  /**
   * Computes one step from the present state. The next state waits for {@link commit}; a run without a commit
   * before it replaces it.
   *
   * @param feeds Inputs of the graph other than the state, by name.
   * @param into Arrays for outputs, by name; a backend that cannot write in place ignores them.
   * @returns Outputs of the graph other than the state, valid until the next run where they are not those of `into`.
   */
  run(rows: number, feeds: HostArrays, into: HostArrays): Promise<HostArrays>;
  /** The state of the last run becomes the present one. */
  commit(): void;
  /** A copy of the present state. */
  readState(): Promise<StateVectors>;
  /** Replaces the present state by a copy of `vectors`. */
  writeState(vectors: Readonly<StateVectors>): Promise<void>;
  close(): Promise<void>;
}
