/**
 * The one file that speaks to onnxruntime-node.
 *
 * The library is loaded on first use: the simulation and tools that never run a session do not load native code.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { Graph } from "../graph/graph.ts";
import type { Shape } from "../graph/shape.ts";
import { encodeModel, type OnnxModelOptions } from "../onnx/encode_model.ts";

export type OnnxRuntime = typeof import("onnxruntime-node");

/** Where ONNX Runtime can run a model. */
export type Device = "cpu" | "webgpu" | "cuda";

/** The device cannot be used on this machine; nothing else was tried in its place. */
export class ProviderUnavailableError extends Error {
  override readonly name = "ProviderUnavailableError";
}

let runtime: Promise<OnnxRuntime> | undefined;

export function onnxRuntime(): Promise<OnnxRuntime> {
  return runtime ??= import("onnxruntime-node").then((ort) => {
    ort.env.logLevel = "fatal"; // errors are thrown, with the same words
    return ort;
  });
}

const REMEDIES: { readonly [D in Device]: string } = {
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
}

const usable = new Map<Device, Promise<void>>();

/**
 * Asked of a graph of one node, so that what a device says of a model is never taken for the device's absence. Asked
 * once in each thread.
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
    documentation: "Is there such a device?",
    outputs: { sum },
    parameters: { kind: "inputs" },
  };
  try {
    await (await openSession(probe, { device, threads: 1 })).release();
  } catch (cause) {
    throw new ProviderUnavailableError(
      `Cannot run the dense model on "${device}": ${(cause as Error).message}. ${REMEDIES[device]}`,
      { cause },
    );
  }
}

/**
 * An ONNX Runtime session of an encoded model.
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
      `The graph of "${model.name}" is refused on "${settings.device}": ${
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
  const { device, threads, outputsOnDevice = [] } = settings;
  const options: InferenceSession.SessionOptions = {
    executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // Threads that wait by spinning take the cores from shards and gateway: a step of 7 ms became one of 37.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
    // Warnings tell of nodes kept on the CPU, as intended for shapes.
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
