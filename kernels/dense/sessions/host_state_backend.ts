/**
 * Steps in ONNX Runtime with the state in host memory: on the CPU nothing is copied, on CUDA it travels with each step.
 *
 * Two buffers take turns: a step reads the state from one and writes the next state into the other, so no kernel can
 * see half-updated weights and a step that is not committed costs nothing to undo.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { resolveShape, staticSize } from "../graph/shape.ts";
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";
import { createOnnxSession, type Device, float32Tensor, onnxRuntime } from "./onnx_runtime.ts";
import { trainingModel } from "./training_model.ts";
import type { HostArrays, StateVectors, TrainingBackend } from "./training_backend.ts";

type OnnxRuntime = typeof import("onnxruntime-node");

export class HostStateBackend implements TrainingBackend {
  readonly provider: Device;
  readonly #ort: OnnxRuntime;
  readonly #session: InferenceSession;
  readonly #compiled: TrainingGraph;
  #present: StateVectors;
  #next: StateVectors;
  /** Output arrays of the last number of rows. */
  #outputs: Record<string, Float32Array<ArrayBuffer>> = {};
  #outputRows = -1;

  private constructor(
    ort: OnnxRuntime,
    session: InferenceSession,
    compiled: TrainingGraph,
    device: Device,
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#compiled = compiled;
    this.provider = device;
    this.#present = this.#emptyState();
    this.#next = this.#emptyState();
  }

  static async create(
    compiled: TrainingGraph,
    device: Device,
    threads: number,
  ): Promise<HostStateBackend> {
    const session = await createOnnxSession(trainingModel(compiled), { device, threads });
    return new HostStateBackend(await onnxRuntime(), session, compiled, device);
  }

  async run(rows: number, feeds: HostArrays): Promise<HostArrays> {
    const { graph, state, outputs } = this.#compiled;
    const feedTensors: Record<string, Tensor> = {};
    for (const { name, shape } of graph.inputs) {
      const data = this.#present[name] ?? feeds[name];
      feedTensors[name] = float32Tensor(this.#ort, data, resolveShape(shape, { rows }));
    }
    this.#allocateOutputs(rows);
    const written = { ...this.#outputs };
    for (const name of Object.keys(state)) written[TRAINING_NAMES.next(name)] = this.#next[name];
    const fetches: Record<string, Tensor> = {};
    for (const [name, { shape }] of Object.entries(outputs)) {
      fetches[name] = float32Tensor(this.#ort, written[name], resolveShape(shape, { rows }));
    }
    await this.#session.run(feedTensors, fetches);
    return this.#outputs;
  }

  commit(): void {
    [this.#present, this.#next] = [this.#next, this.#present];
  }

  readState(): Promise<StateVectors> {
    return Promise.resolve(structuredClone(this.#present));
  }

  writeState(vectors: Readonly<StateVectors>): Promise<void> {
    for (const [name, vector] of Object.entries(vectors)) this.#present[name].set(vector);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  #allocateOutputs(rows: number): void {
    if (rows === this.#outputRows) return;
    const next = new Set(Object.keys(this.#compiled.state).map(TRAINING_NAMES.next));
    this.#outputs = {};
    for (const [name, { shape }] of Object.entries(this.#compiled.outputs)) {
      if (next.has(name)) continue;
      this.#outputs[name] = new Float32Array(staticSize(resolveShape(shape, { rows })));
    }
    this.#outputRows = rows;
  }

  #emptyState(): StateVectors {
    const { state, weightCount } = this.#compiled;
    return Object.fromEntries(
      Object.keys(state).map((name) => [name, new Float32Array(weightCount)]),
    );
  }
}
