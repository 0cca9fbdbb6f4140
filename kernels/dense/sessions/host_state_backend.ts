/**
 * Keeps the state in host memory: on the CPU nothing is copied; on CUDA each step copies it to the
 * card and back.
 */
import { trainingNames } from "../training_graph.ts";
import { OnnxBackend, type OnnxBackendParts, type Tensors } from "./onnx_backend.ts";
import { StateBuffers } from "./state_buffers.ts";
import type { StateVectors } from "./training_backend.ts";

export class HostStateBackend extends OnnxBackend {
  readonly #state: StateBuffers;

  constructor(parts: OnnxBackendParts) {
    super(parts);
    const { compiled, memory } = parts;
    this.#state = new StateBuffers(compiled, (length) => memory.allocate(length));
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

  override async close(): Promise<void> {
    this.#state.free((vector) => this.memory.free(vector));
    await super.close();
  }

  protected override stateFeeds(): Tensors {
    return this.#tensors(this.#state.present, (name) => name);
  }

  protected override nextState(): Tensors {
    return this.#tensors(this.#state.next, trainingNames.next);
  }

  protected override takeNextState(): void {
    // The run wrote into the buffers of nextState().
  }

  #tensors(vectors: StateVectors, rename: (name: string) => string): Tensors {
    const shape = this.stateShape;
    return Object.fromEntries(
      Object.entries(vectors).map(([name, data]) => [rename(name), this.tensor(data, shape)]),
    );
  }
}
