/**
 * Runs a step on the CPU in passes of few rows, so that intermediate results stay in the core's
 * cache; one pass over a large batch would read and write memory for every node (matrix products of
 * 4,096 rows ran at 77 GFLOP/s, of 512 at 104).
 *
 * A batch of one pass and without other replicas takes its whole step in one run: the gradient of
 * the weights then stays inside the runtime (5.8 instead of 6.2 ms for 512 rows).
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

/** The model replicas that share every batch, as one of them sees them. */
export interface ReplicaGroup {
  /** Number of replicas, ≥ 1. */
  readonly count: number;
  /**
   * Sends a copy of `values` to all other replicas.
   *
   * @returns The arrays of all replicas in their order, `values` among them; valid until the next
   *   call.
   */
  exchange(values: Float32Array<ArrayBuffer>): Promise<readonly Float32Array<ArrayBuffer>[]>;
}

/** Graphs of a step: all of it, and those of {@link TrainingPasses}. */
export type StepGraph = "whole" | keyof TrainingPasses;

/** The parts of a backend that runs a step in passes. */
export interface PassesBackendParts {
  readonly ort: OnnxRuntime;
  /** Opens the session of a graph. Called at most once for each, when a batch needs it. */
  open(graph: StepGraph): Promise<InferenceSession>;
  readonly compiled: TrainingGraph;
  readonly passes: TrainingPasses;
  /** Most rows of one pass. */
  readonly rowsMax: number;
  /** Absent = this is the only replica. */
  readonly replicas?: ReplicaGroup | undefined;
}

/** Inputs or outputs of one run, by name. */
type Tensors = Record<string, Tensor>;

export class PassesBackend implements TrainingBackend {
  readonly provider = "cpu";
  readonly #ort: OnnxRuntime;
  readonly #open: PassesBackendParts["open"];
  readonly #sessions = new Map<StepGraph, Promise<InferenceSession>>();
  readonly #compiled: TrainingGraph;
  readonly #passes: TrainingPasses;
  readonly #rowsMax: number;
  readonly #replicas: ReplicaGroup | undefined;
  readonly #stateShape: readonly number[];
  readonly #state: StateBuffers;
  /**
   * The gradient of all weights followed by the loss: the array that replicas exchange. A later
   * pass reads `#sumBefore` and writes `#sum`; the two are swapped before it.
   */
  #sum: Float32Array<ArrayBuffer>;
  #sumBefore: Float32Array<ArrayBuffer>;
  /**
   * Arrays for outputs that the caller gave no array for; allocated anew when the number of rows
   * changes.
   */
  readonly #outputs: Record<string, Float32Array<ArrayBuffer>> = {};

  constructor({ ort, open, compiled, passes, rowsMax, replicas }: PassesBackendParts) {
    this.#ort = ort;
    this.#open = open;
    this.#compiled = compiled;
    this.#passes = passes;
    this.#rowsMax = rowsMax;
    this.#replicas = replicas;
    this.#stateShape = [compiled.layout.blocks, BLOCK_WIDTH];
    const size = staticSize(this.#stateShape);
    this.#state = new StateBuffers(compiled, (length) => new Float32Array(length));
    this.#sum = new Float32Array(size + 1);
    this.#sumBefore = new Float32Array(size + 1);
  }

  /** Opens the sessions that the smallest batch needs, so that a graph is refused before a step. */
  async prepare(): Promise<void> {
    const graphs = this.#replicas === undefined ? ["whole"] as const : ["first", "update"] as const;
    await Promise.all(graphs.map((graph) => this.#session(graph)));
  }

  async run(rows: number, feeds: HostArrays, into: HostArrays): Promise<HostArrays> {
    const rowsMax = this.#rowsMax;
    const results = this.#results(rows, into);
    if (this.#replicas === undefined && rows <= rowsMax) {
      await this.#wholeStep(rows, feeds, results);
      return results;
    }
    // A small batch may leave the last of several replicas without rows.
    if (rows === 0) this.#sum.fill(0);
    let loss = 0;
    for (let from = 0; from < rows; from += rowsMax) {
      await this.#pass(from, Math.min(from + rowsMax, rows), rows, feeds, results);
      loss += results[trainingNames.loss][0];
    }
    this.#sum[this.#sum.length - 1] = loss;
    const sums = await this.#replicas?.exchange(this.#sum) ?? [this.#sum];
    results[trainingNames.loss][0] = sums.reduce((all, sum) => all + sum[sum.length - 1], 0);
    await this.#update(sums, feeds, results);
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
    const opened = await Promise.allSettled(this.#sessions.values());
    await Promise.all(
      opened.map((session) => session.status === "fulfilled" && session.value.release()),
    );
  }

  /** A failure, as where memory was short, is not kept: the next batch opens the session again. */
  #session(graph: StepGraph): Promise<InferenceSession> {
    const known = this.#sessions.get(graph);
    if (known !== undefined) return known;
    const session = this.#open(graph).catch((error) => {
      this.#sessions.delete(graph);
      throw error;
    });
    this.#sessions.set(graph, session);
    return session;
  }

  /** Runs the step of a batch of one pass, up to the next state. */
  async #wholeStep(rows: number, feeds: HostArrays, results: HostArrays): Promise<void> {
    const { graph, outputs } = this.#compiled;
    const tensors = this.#stateTensors(this.#state.present, (name) => name);
    for (const { name, shape } of graph.inputs) {
      tensors[name] ??= float32Tensor(this.#ort, feeds[name], resolveShape(shape, { rows }));
    }
    const fetches = this.#stateTensors(this.#state.next, trainingNames.next);
    for (const [name, { shape }] of Object.entries(outputs)) {
      fetches[name] ??= float32Tensor(this.#ort, results[name], resolveShape(shape, { rows }));
    }
    await runInPlace(await this.#session("whole"), tensors, fetches);
  }

  /**
   * Runs rows `[from, to)`: writes their results, and adds their gradient of the weights to the sum
   * of the passes before.
   */
  async #pass(
    from: number,
    to: number,
    rows: number,
    feeds: HostArrays,
    results: HostArrays,
  ): Promise<void> {
    const { weights, gradientBefore, gradientSum } = trainingNames;
    const isFirst = from === 0;
    const { graph, outputs } = isFirst ? this.#passes.first : this.#passes.later;
    const session = await this.#session(isFirst ? "first" : "later");
    const part = (array: Float32Array<ArrayBuffer>, symbolic: Shape) => {
      const shape = resolveShape(symbolic, { rows: to - from });
      if (symbolic[0] !== ROWS) return float32Tensor(this.#ort, array, shape);
      if (symbolic[1] === ROWS) {
        return float32Tensor(this.#ort, diagonalBlock(array, rows, from, to), shape);
      }
      const width = staticSize(shape.slice(1));
      return float32Tensor(this.#ort, array.subarray(from * width, to * width), shape);
    };
    const tensors: Tensors = { [weights]: this.#stateTensor(this.#state.present[weights]) };
    if (!isFirst) {
      [this.#sum, this.#sumBefore] = [this.#sumBefore, this.#sum];
      tensors[gradientBefore] = this.#stateTensor(this.#sumBefore);
    }
    for (const { name, shape } of graph.inputs) {
      if (!(name in tensors)) tensors[name] = part(feeds[name], shape);
    }
    const fetches: Tensors = { [gradientSum]: this.#stateTensor(this.#sum) };
    for (const [name, { shape }] of Object.entries(outputs)) {
      if (name !== gradientSum) fetches[name] = part(results[name], shape);
    }
    await runInPlace(session, tensors, fetches);
  }

  /** @param sums Gradients of all replicas, in their order. */
  async #update(
    sums: readonly Float32Array<ArrayBuffer>[],
    feeds: HostArrays,
    results: HostArrays,
  ): Promise<void> {
    const { gradientOfReplica, stepSquares, next } = trainingNames;
    const tensors = this.#stateTensors(this.#state.present, (name) => name);
    for (const [replica, sum] of sums.entries()) {
      tensors[gradientOfReplica(replica)] = this.#stateTensor(sum);
    }
    for (const { name, shape } of this.#passes.update.graph.inputs) {
      tensors[name] ??= float32Tensor(this.#ort, feeds[name], shape);
    }
    const fetches = this.#stateTensors(this.#state.next, next);
    fetches[stepSquares] = float32Tensor(this.#ort, results[stepSquares], [1]);
    await runInPlace(await this.#session("update"), tensors, fetches);
  }

  /** The arrays for outputs: the caller's, or the backend's own. */
  #results(rows: number, into: HostArrays): Record<string, Float32Array<ArrayBuffer>> {
    const results: Record<string, Float32Array<ArrayBuffer>> = {};
    const { gradientSum, stepSquares } = trainingNames;
    for (const [name, { shape }] of Object.entries(this.#passes.first.outputs)) {
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

  #stateTensors(vectors: StateVectors, rename: (name: string) => string): Tensors {
    return Object.fromEntries(
      Object.entries(vectors).map(([name, vector]) => [rename(name), this.#stateTensor(vector)]),
    );
  }

  #stateTensor(array: Float32Array<ArrayBuffer>): Tensor {
    return float32Tensor(
      this.#ort,
      array.subarray(0, staticSize(this.#stateShape)),
      this.#stateShape,
    );
  }
}

/** Rows and columns `[from, to)` of a square matrix. */
function diagonalBlock(
  matrix: Float32Array<ArrayBuffer>,
  size: number,
  from: number,
  to: number,
): Float32Array<ArrayBuffer> {
  const width = to - from;
  if (width === size) return matrix;
  const block = new Float32Array(width * width);
  for (let row = from; row < to; row++) {
    block.set(matrix.subarray(row * size + from, row * size + to), (row - from) * width);
  }
  return block;
}
