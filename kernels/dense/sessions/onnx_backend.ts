/**
 * Steps in ONNX Runtime; where the state lives between them is each subclass's affair.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { resolveShape, staticSize } from "../graph/shape.ts";
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";
import type { HostMemory } from "./host_memory.ts";
import { runInPlace } from "./in_place_outputs.ts";
import { type Device, float32Tensor, type OnnxRuntime } from "./onnx_runtime.ts";
import type { HostArrays, StateVectors, TrainingBackend } from "./training_backend.ts";

export type Tensors = Record<string, Tensor>;

export abstract class OnnxBackend implements TrainingBackend {
  readonly provider: Device;
  protected readonly memory: HostMemory;
  protected readonly ort: OnnxRuntime;
  protected readonly compiled: TrainingGraph;
  readonly #session: InferenceSession;
  /** Names of the outputs that the caller gets: all but the state. */
  readonly #hostOutputs: readonly string[];
  /** Arrays for those that the caller has none for; made anew when the number of rows changes. */
  readonly #outputs: Record<string, Float32Array<ArrayBuffer>> = {};

  constructor(
    ort: OnnxRuntime,
    session: InferenceSession,
    compiled: TrainingGraph,
    device: Device,
    memory: HostMemory,
  ) {
    this.memory = memory;
    this.ort = ort;
    this.#session = session;
    this.compiled = compiled;
    this.provider = device;
    const next = Object.keys(compiled.state).map(TRAINING_NAMES.next);
    this.#hostOutputs = Object.keys(compiled.outputs).filter((name) => !next.includes(name));
  }

  async run(rows: number, feeds: HostArrays, into: HostArrays): Promise<HostArrays> {
    const { graph, outputs, state } = this.compiled;
    const feedTensors: Tensors = this.stateFeeds();
    for (const { name, shape } of graph.inputs) {
      if (name in state) continue;
      feedTensors[name] = this.tensor(feeds[name], resolveShape(shape, { rows }));
    }
    const next = this.nextState();
    if (next === undefined) {
      const results = await this.#session.run(feedTensors);
      this.takeNextState(results);
      return Object.fromEntries(
        this.#hostOutputs.map((name) =>
          [name, results[name].data as Float32Array<ArrayBuffer>] as const
        ),
      );
    }
    const results: Record<string, Float32Array<ArrayBuffer>> = {};
    const fetches = { ...next };
    for (const name of this.#hostOutputs) {
      const shape = resolveShape(outputs[name].shape, { rows });
      results[name] = into[name] ?? this.#ownOutput(name, staticSize(shape));
      fetches[name] = this.tensor(results[name], shape);
    }
    await runInPlace(this.#session, feedTensors, fetches);
    return results;
  }

  abstract commit(): void;
  abstract readState(): Promise<StateVectors>;
  abstract writeState(vectors: Readonly<StateVectors>): Promise<void>;

  async close(): Promise<void> {
    for (const array of Object.values(this.#outputs)) this.memory.free(array);
    await this.#session.release();
  }

  /** Of the weights and of each of the optimizer's matrices. */
  protected get stateShape(): readonly number[] {
    return [this.compiled.layout.blocks, BLOCK_WIDTH];
  }

  /** The present state, by input name. */
  protected abstract stateFeeds(): Tensors;
  /** Host tensors to write the next state into, by output name; undefined = it stays on the device. */
  protected abstract nextState(): Tensors | undefined;
  /** The next state on the device, among a run's results. */
  protected abstract takeNextState(results: Readonly<Tensors>): void;

  protected tensor(data: Float32Array, shape: readonly number[]): Tensor {
    return float32Tensor(this.ort, data, shape);
  }

  #ownOutput(name: string, size: number): Float32Array<ArrayBuffer> {
    const present = this.#outputs[name];
    if (present?.length === size) return present;
    if (present !== undefined) this.memory.free(present);
    return this.#outputs[name] = this.memory.allocate(size);
  }
}
