/**
 * Runs a whole step in ONNX Runtime; subclasses keep the state between steps, on the host or on the
 * device.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { resolveShape, staticSize } from "../graph/shape.ts";
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { type TrainingGraph, trainingNames } from "../training_graph.ts";
import type { HostMemory } from "./host_memory.ts";
import { runInPlace } from "./in_place_outputs.ts";
import { type Device, float32Tensor, type OnnxRuntime } from "./onnx_runtime.ts";
import type { HostArrays, StateVectors, TrainingBackend } from "./training_backend.ts";

export type Tensors = Record<string, Tensor>;

/** The parts of a backend that runs whole steps in ONNX Runtime. */
export interface OnnxBackendParts {
  readonly ort: OnnxRuntime;
  readonly session: InferenceSession;
  readonly compiled: TrainingGraph;
  readonly device: Device;
  /** Allocates the arrays that are copied to the device. */
  readonly memory: HostMemory;
}

export abstract class OnnxBackend implements TrainingBackend {
  readonly provider: Device;
  protected readonly memory: HostMemory;
  protected readonly ort: OnnxRuntime;
  protected readonly compiled: TrainingGraph;
  readonly #session: InferenceSession;
  /** Names of the outputs that the caller gets: all except the state. */
  readonly #hostOutputs: readonly string[];
  /**
   * Arrays for outputs that the caller gave no array for; allocated anew when the number of rows
   * changes.
   */
  readonly #outputs: Record<string, Float32Array<ArrayBuffer>> = {};

  constructor({ ort, session, compiled, device, memory }: OnnxBackendParts) {
    this.memory = memory;
    this.ort = ort;
    this.#session = session;
    this.compiled = compiled;
    this.provider = device;
    const next = Object.keys(compiled.state).map(trainingNames.next);
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

  /** Shape of the weights and of each matrix of the optimizer's state. */
  protected get stateShape(): readonly number[] {
    return [this.compiled.layout.blocks, BLOCK_WIDTH];
  }

  /** The present state, by input name. */
  protected abstract stateFeeds(): Tensors;
  /**
   * Host tensors that receive the next state, by output name; undefined = the state stays on the
   * device.
   */
  protected abstract nextState(): Tensors | undefined;
  /** Takes the next state out of a run's results, when it stays on the device. */
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
