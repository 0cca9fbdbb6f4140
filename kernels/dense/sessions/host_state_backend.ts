/**
 * State in host memory: on the CPU nothing is copied, on CUDA it travels with each step.
 *
 * Two buffers take turns: a step reads the state from one and writes the next state into the other, so no kernel can
 * see half-updated weights and a step that is not committed costs nothing to undo.
 */
import type { InferenceSession } from "onnxruntime-node";
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";
import type { HostMemory } from "./host_memory.ts";
import { OnnxBackend, type Tensors } from "./onnx_backend.ts";
import type { Device, OnnxRuntime } from "./onnx_runtime.ts";
import type { StateVectors } from "./training_backend.ts";

export class HostStateBackend extends OnnxBackend {
  #present: StateVectors;
  #next: StateVectors;

  constructor(
    ort: OnnxRuntime,
    session: InferenceSession,
    compiled: TrainingGraph,
    device: Device,
    memory: HostMemory,
  ) {
    super(ort, session, compiled, device, memory);
    const { state, layout } = compiled;
    const size = layout.blocks * BLOCK_WIDTH;
    const empty = (): StateVectors =>
      Object.fromEntries(Object.keys(state).map((name) => [name, memory.allocate(size)]));
    this.#present = empty();
    this.#next = empty();
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

  override async close(): Promise<void> {
    for (const vectors of [this.#present, this.#next]) {
      for (const vector of Object.values(vectors)) this.memory.free(vector);
    }
    await super.close();
  }

  protected override stateFeeds(): Tensors {
    return this.#tensors(this.#present, (name) => name);
  }

  protected override nextState(): Tensors {
    return this.#tensors(this.#next, TRAINING_NAMES.next);
  }

  protected override takeNextState(): void {
    // Written in place.
  }

  #tensors(vectors: StateVectors, rename: (name: string) => string): Tensors {
    const shape = this.stateShape;
    return Object.fromEntries(
      Object.entries(vectors).map(([name, data]) => [rename(name), this.tensor(data, shape)]),
    );
  }
}
