/**
 * Reads a tensor in the memory of a graphics card.
 *
 * onnxruntime-node 1.29 can keep outputs on the card but cannot copy them to the host (`getData`
 * ends the process). A session of one node copies instead: its input is the tensor on the card, its
 * output is fetched as usual.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { Graph } from "../graph/graph.ts";
import { createOnnxSession } from "./onnx_runtime.ts";

export class DeviceReader {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** A reader of tensors of `shape`. */
  static async create(shape: readonly number[]): Promise<DeviceReader> {
    const g = new Graph();
    const model = {
      name: "read",
      documentation: "Copies a tensor from the device.",
      outputs: { copy: g.input("tensor", shape) },
      parameters: { kind: "inputs" },
    } as const;
    return new DeviceReader(await createOnnxSession(model, { device: "webgpu", threads: 1 }));
  }

  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    if (tensor.location === "cpu") return Float32Array.from(tensor.data as Float32Array);
    const { copy } = await this.#session.run({ tensor });
    return Float32Array.from(copy.data as Float32Array);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
