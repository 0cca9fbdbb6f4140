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
  /** Those outputs, written in place; made anew when the number of rows changes. */
  #outputs: Record<string, Float32Array<ArrayBuffer>> = {};
  #outputRows = -1;

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

  async run(rows: number, feeds: HostArrays): Promise<HostArrays> {
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
    this.#allocateOutputs(rows);
    const fetches = { ...next };
    for (const [name, data] of Object.entries(this.#outputs)) {
      fetches[name] = this.tensor(data, resolveShape(outputs[name].shape, { rows }));
    }
    await runInPlace(this.#session, feedTensors, fetches);
    return this.#outputs;
  }

  abstract commit(): void;
  abstract readState(): Promise<StateVectors>;
  abstract writeState(vectors: Readonly<StateVectors>): Promise<void>;

  async close(): Promise<void> {
    this.#freeOutputs();
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

  #allocateOutputs(rows: number): void {
    if (rows === this.#outputRows) return;
    this.#freeOutputs();
    this.#outputs = Object.fromEntries(
      this.#hostOutputs.map((name) => {
        const { shape } = this.compiled.outputs[name];
        const size = staticSize(resolveShape(shape, { rows }));
        return [name, this.memory.allocate(size)] as const;
      }),
    );
    this.#outputRows = rows;
  }

  #freeOutputs(): void {
    for (const array of Object.values(this.#outputs)) this.memory.free(array);
  }
}
