/**
 * The only file that imports onnxruntime-node's code.
 *
 * The library is loaded at first use, so that the simulation, and tools that run no session, load
 * no native code.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { Graph } from "../graph/graph.ts";
import type { Shape } from "../graph/shape.ts";
import { encodeModel, type OnnxModelOptions } from "../onnx/encode_model.ts";

export type OnnxRuntime = typeof import("onnxruntime-node");

/** A device that ONNX Runtime can run a model on. */
export type Device = "cpu" | "webgpu" | "cuda";

/** The device cannot be used on this machine; no other device was tried instead. */
export class ProviderUnavailableError extends Error {
  override readonly name = "ProviderUnavailableError";
}

let runtime: Promise<OnnxRuntime> | undefined;

export function onnxRuntime(): Promise<OnnxRuntime> {
  return runtime ??= import("onnxruntime-node").then((ort) => {
    ort.env.logLevel = "fatal"; // errors are thrown with the same message
    return ort;
  });
}

const remedies: { readonly [D in Device]: string } = {
  cpu: "Reinstall the onnxruntime-node package.",
  webgpu:
    'Install a Vulkan driver for the GPU (or mesa-vulkan-drivers for a software one), or choose provider "cpu" or "auto".',
  cuda:
    'Run "deno task gpu:install" on a machine with an NVIDIA GPU, CUDA 13 and cuDNN 9, or choose provider "cpu" or "auto".',
};

export interface SessionSettings {
  readonly device: Device;
  readonly threads: number;
  /** Outputs that stay on the card. WebGPU only. */
  readonly outputsOnDevice?: readonly string[];
  /**
   * Whether constant matrices are packed for products when the session opens. The CPU pads a packed
   * column to 16: a product with a column of ones then takes four times as long. Default: true.
   */
  readonly packsConstants?: boolean;
}

const usable = new Map<Device, Promise<void>>();

/**
 * Checks that a device works, by opening a session of one node, so that an error about a real model
 * is not mistaken for a missing device. Each thread checks once.
 *
 * @throws {ProviderUnavailableError} When the device cannot be used.
 */
export function requireDevice(device: Device): Promise<void> {
  const asked = usable.get(device) ?? openProbe(device);
  usable.set(device, asked);
  return asked;
}

async function openProbe(device: Device): Promise<void> {
  const g = new Graph();
  const sum = g.shift(g.input("x", [1]), 1);
  const probe: OnnxModelOptions = {
    name: "probe",
    documentation: "Tests whether the device works.",
    outputs: { sum },
    parameters: { kind: "inputs" },
  };
  try {
    await (await openSession(probe, { device, threads: 1 })).release();
  } catch (cause) {
    throw new ProviderUnavailableError(
      `Cannot run the dense model on "${device}": ${(cause as Error).message}. ${remedies[device]}`,
      { cause },
    );
  }
}

/**
 * Opens an ONNX Runtime session for a model.
 *
 * @throws {ProviderUnavailableError} When the device cannot be used.
 */
export async function createOnnxSession(
  model: OnnxModelOptions,
  settings: SessionSettings,
): Promise<InferenceSession> {
  await requireDevice(settings.device);
  try {
    return await openSession(model, settings);
  } catch (cause) {
    throw new Error(
      `ONNX Runtime refuses the graph of "${model.name}" on "${settings.device}": ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}

async function openSession(
  model: OnnxModelOptions,
  settings: SessionSettings,
): Promise<InferenceSession> {
  const ort = await onnxRuntime();
  const { device, threads, outputsOnDevice = [], packsConstants = true } = settings;
  const options: InferenceSession.SessionOptions = {
    executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // Spinning threads take cores from shards and gateway: with spinning a step took 37 ms instead
    // of 7.
    extra: {
      session: {
        intra_op: { allow_spinning: "0" },
        ...(!packsConstants && { disable_prepacking: "1" }),
      },
    },
    // Errors only: warnings report shape computations that stay on the CPU, as intended.
    logSeverityLevel: 3,
    ...(outputsOnDevice.length > 0 && {
      preferredOutputLocation: Object.fromEntries(
        outputsOnDevice.map((name) => [name, "gpu-buffer" as const]),
      ),
    }),
  };
  return await ort.InferenceSession.create(encodeModel(model), options);
}

/** Wraps an array as a float32 tensor without copying. */
export function float32Tensor(ort: OnnxRuntime, data: Float32Array, shape: Shape): Tensor {
  return new ort.Tensor("float32", data, shape as number[]);
}
