/**
 * Runs a step on the CPU in passes of few rows, so that intermediate results stay in the core's
 * cache; one pass over a large batch would read and write memory for every node (matrix products of
 * 4,096 rows ran at 77 GFLOP/s, of 512 at 104).
 *
 * Several model replicas can share a batch: each runs passes over its own rows, their gradients are
 * summed, and each computes the same next state from the sum. A step then uses several cores
 * without a barrier after each node.
 *
 * @see Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB
 *   2020
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { resolveShape, ROWS, type Shape, staticSize } from "../graph/shape.ts";
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { type TrainingGraph, trainingNames, type TrainingPasses } from "../training_graph.ts";
import { runInPlace } from "./in_place_outputs.ts";
import { float32Tensor, type OnnxRuntime } from "./onnx_runtime.ts";
import { StateBuffers } from "./state_buffers.ts";
import type { HostArrays, StateVectors, TrainingBackend } from "./training_backend.ts";

/**
 * Sums an array over all model replicas and writes the sum into it; every replica gets the same
 * bits.
 */
export type AllReduce = (values: Float32Array<ArrayBuffer>) => Promise<void>;

export interface PassSessions {
  readonly pass: InferenceSession;
  readonly update: InferenceSession;
}

/** The parts of a backend that runs a step in passes. */
export interface PassesBackendParts {
  readonly ort: OnnxRuntime;
  readonly sessions: PassSessions;
  readonly compiled: TrainingGraph;
  readonly passes: TrainingPasses;
  /** Most rows of one pass. */
  readonly rowsMax: number;
  /** Absent = this is the only replica. */
  readonly allReduce?: AllReduce | undefined;
}

/** Inputs or outputs of one run, by name. */
type Tensors = Record<string, Tensor>;

export class PassesBackend implements TrainingBackend {
  readonly provider = "cpu";
  readonly #ort: OnnxRuntime;
  readonly #sessions: PassSessions;
  readonly #passes: TrainingPasses;
  readonly #rowsMax: number;
  readonly #allReduce: AllReduce | undefined;
  readonly #stateShape: readonly number[];
  readonly #state: StateBuffers;
  /**
   * The gradient of all weights followed by the loss: the array that replicas sum. A pass reads
   * `#sumBefore` and writes `#sum`; the two are swapped between passes.
   */
  #sum: Float32Array<ArrayBuffer>;
  #sumBefore: Float32Array<ArrayBuffer>;
  /**
   * Arrays for outputs that the caller gave no array for; allocated anew when the number of rows
   * changes.
   */
  readonly #outputs: Record<string, Float32Array<ArrayBuffer>> = {};

  constructor({ ort, sessions, compiled, passes, rowsMax, allReduce }: PassesBackendParts) {
    this.#ort = ort;
    this.#sessions = sessions;
    this.#passes = passes;
    this.#rowsMax = rowsMax;
    this.#allReduce = allReduce;
    this.#stateShape = [compiled.layout.blocks, BLOCK_WIDTH];
    const size = staticSize(this.#stateShape);
    this.#state = new StateBuffers(compiled, (length) => new Float32Array(length));
    this.#sum = new Float32Array(size + 1);
    this.#sumBefore = new Float32Array(size + 1);
  }

  async run(rows: number, feeds: HostArrays, into: HostArrays): Promise<HostArrays> {
    const rowsMax = this.#rowsMax;
    const results = this.#results(rows, into);
    this.#sum.fill(0);
    let loss = 0;
    for (let from = 0; from < rows; from += rowsMax) {
      await this.#pass(from, Math.min(from + rowsMax, rows), feeds, results);
      loss += results[trainingNames.loss][0];
    }
    this.#sum[this.#sum.length - 1] = loss;
    await this.#allReduce?.(this.#sum);
    results[trainingNames.loss][0] = this.#sum[this.#sum.length - 1];
    await this.#update(feeds, results);
    return results;
  }

  commit(): void {
    this.#state.commit();
  }

  readState(): Promise<StateVectors> {
    return Promise.resolve(this.#state.read());
  }

  writeState(vectors: Readonly<StateVectors>): Promise<void> {
    this.#state.write(vectors);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all([this.#sessions.pass.release(), this.#sessions.update.release()]);
  }

  /**
   * Runs rows `[from, to)`: writes their results and adds their gradient of the weights to the sum.
   */
  async #pass(from: number, to: number, feeds: HostArrays, results: HostArrays): Promise<void> {
    [this.#sum, this.#sumBefore] = [this.#sumBefore, this.#sum];
    const { weights, gradientBefore, gradientSum } = trainingNames;
    const { graph, outputs } = this.#passes.pass;
    const part = (array: Float32Array<ArrayBuffer>, symbolic: Shape) => {
      const shape = resolveShape(symbolic, { rows: to - from });
      if (symbolic[0] !== ROWS) return float32Tensor(this.#ort, array, shape);
      const width = staticSize(shape.slice(1));
      return float32Tensor(this.#ort, array.subarray(from * width, to * width), shape);
    };
    const tensors: Tensors = {
      [weights]: this.#stateTensor(this.#state.present[weights]),
      [gradientBefore]: this.#stateTensor(this.#sumBefore),
    };
    for (const { name, shape } of graph.inputs) {
      if (!(name in tensors)) tensors[name] = part(feeds[name], shape);
    }
    const fetches: Tensors = { [gradientSum]: this.#stateTensor(this.#sum) };
    for (const [name, { shape }] of Object.entries(outputs)) {
      if (name !== gradientSum) fetches[name] = part(results[name], shape);
    }
    await runInPlace(this.#sessions.pass, tensors, fetches);
  }

  async #update(feeds: HostArrays, results: HostArrays): Promise<void> {
    const { gradient, stepSquares, next } = trainingNames;
    const tensors: Tensors = { [gradient]: this.#stateTensor(this.#sum) };
    for (const { name, shape } of this.#passes.update.graph.inputs) {
      const vector = this.#state.present[name];
      if (name === gradient) continue;
      tensors[name] = vector !== undefined
        ? this.#stateTensor(vector)
        : float32Tensor(this.#ort, feeds[name], shape);
    }
    const fetches: Tensors = {
      [stepSquares]: float32Tensor(this.#ort, results[stepSquares], [1]),
    };
    for (const [name, vector] of Object.entries(this.#state.next)) {
      fetches[next(name)] = this.#stateTensor(vector);
    }
    await runInPlace(this.#sessions.update, tensors, fetches);
  }

  /** The arrays for outputs: the caller's, or the backend's own. */
  #results(rows: number, into: HostArrays): Record<string, Float32Array<ArrayBuffer>> {
    const results: Record<string, Float32Array<ArrayBuffer>> = {};
    const { gradientSum, stepSquares } = trainingNames;
    for (const [name, { shape }] of Object.entries(this.#passes.pass.outputs)) {
      if (name === gradientSum) continue;
      results[name] = into[name] ?? this.#own(name, staticSize(resolveShape(shape, { rows })));
    }
    results[stepSquares] = this.#own(stepSquares, 1);
    return results;
  }

  #own(name: string, size: number): Float32Array<ArrayBuffer> {
    if (this.#outputs[name]?.length !== size) this.#outputs[name] = new Float32Array(size);
    return this.#outputs[name];
  }

  #stateTensor(array: Float32Array<ArrayBuffer>): Tensor {
    return float32Tensor(
      this.#ort,
      array.subarray(0, staticSize(this.#stateShape)),
      this.#stateShape,
    );
  }
}
