/**
 * Keeps the state on the graphics card: a step's next state stays there as the input of the next
 * step. Only batches, losses and embedding gradients are copied. ONNX Runtime's Node binding
 * supports this on WebGPU.
 */
import { trainingNames } from "../training_graph.ts";
import type { DeviceReader } from "./device_reader.ts";
import { ordinaryMemory } from "./host_memory.ts";
import { OnnxBackend, type OnnxBackendParts, type Tensors } from "./onnx_backend.ts";
import type { StateVectors } from "./training_backend.ts";

export class DeviceStateBackend extends OnnxBackend {
  readonly #reader: DeviceReader;
  #present: Tensors = {};
  #next: Tensors = {};

  constructor(
    { reader, ...parts }: Omit<OnnxBackendParts, "memory"> & { readonly reader: DeviceReader },
  ) {
    super({ ...parts, memory: ordinaryMemory });
    this.#reader = reader;
  }

  commit(): void {
    disposeAll(this.#present);
    this.#present = this.#next;
    this.#next = {};
  }

  async readState(): Promise<StateVectors> {
    const vectors: StateVectors = {};
    for (const [name, tensor] of Object.entries(this.#present)) {
      vectors[name] = await this.#reader.read(tensor);
    }
    return vectors;
  }

  writeState(vectors: Readonly<StateVectors>): Promise<void> {
    disposeAll(this.#present);
    const shape = this.stateShape;
    this.#present = Object.fromEntries(
      // The next step uploads them.
      Object.entries(vectors).map(([name, data]) => [name, this.tensor(data.slice(), shape)]),
    );
    return Promise.resolve();
  }

  override async close(): Promise<void> {
    disposeAll(this.#present);
    disposeAll(this.#next);
    await this.#reader.close();
    await super.close();
  }

  protected override stateFeeds(): Tensors {
    return { ...this.#present };
  }

  protected override nextState(): undefined {
    return undefined;
  }

  protected override takeNextState(results: Readonly<Tensors>): void {
    disposeAll(this.#next); // from a step without a commit
    this.#next = Object.fromEntries(
      Object.keys(this.compiled.state).map((name) => [name, results[trainingNames.next(name)]]),
    );
  }
}

function disposeAll(tensors: Readonly<Tensors>): void {
  for (const tensor of Object.values(tensors)) {
    if (tensor.location === "gpu-buffer") tensor.dispose();
  }
}
