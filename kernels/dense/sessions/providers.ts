/**
 * Creates the backend of a provider. A named device that is missing is an error, never silently
 * replaced; only "auto" falls back to another device.
 */
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { compilePasses, type TrainingGraph, trainingNames } from "../training_graph.ts";
import { DeviceReader } from "./device_reader.ts";
import { DeviceStateBackend } from "./device_state_backend.ts";
import { type HostMemory, ordinaryMemory } from "./host_memory.ts";
import { HostStateBackend } from "./host_state_backend.ts";
import { SEQUENCE_OUTPUT } from "./in_place_outputs.ts";
import {
  createOnnxSession,
  type Device,
  onnxRuntime,
  ProviderUnavailableError,
  requireDevice,
} from "./onnx_runtime.ts";
import { PassesBackend, type StepGraph } from "./passes_backend.ts";
import { ReferenceBackend } from "./reference_backend.ts";
import type { PartsBackend, TrainingBackend } from "./training_backend.ts";
import { passModels, trainingModel } from "./training_model.ts";

/** Runtimes of sessions; "reference" is plain TypeScript with the same bits on every machine. */
export type Provider = Device | "reference";

/**
 * Devices that "auto" tries, in order. WebGPU is left out, because a software Vulkan driver cannot
 * be told from a graphics card and is many times slower than the CPU.
 */
const autoDevices: readonly Device[] = ["cuda", "cpu"];

/**
 * Rows per pass and thread. Passes of 512 and 1,024 rows take equally long, apart from the begin
 * and the end of each run; of 2,048, up to 3 % longer (430 inputs, a second-level cache of 1 MB).
 */
const PASS_ROWS = 1_024;

export interface BackendOptions {
  /** Threads of one run on the CPU, ≥ 1. */
  readonly threads: number;
  readonly memory?: HostMemory | undefined;
}

/** The result of choosing a provider. */
export interface ChosenProvider<P extends Provider = Provider> {
  readonly provider: P;
  /** Reasons why "auto" skipped devices that it prefers; empty for a named provider. */
  readonly passedOver: readonly string[];
}

/**
 * Chooses a device for "auto": CUDA when it works, else the CPU. Returns a named provider
 * unchecked.
 *
 * @param require Rejects when a device cannot be used. Default: {@link requireDevice}.
 * @throws {ProviderUnavailableError} When "auto" finds no device.
 */
export async function chooseProvider<P extends Provider>(
  provider: P | "auto",
  require: (device: Device) => Promise<void> = requireDevice,
): Promise<ChosenProvider<P | Device>> {
  if (provider !== "auto") return { provider, passedOver: [] };
  const passedOver: string[] = [];
  for (const device of autoDevices) {
    try {
      await require(device);
      return { provider: device, passedOver };
    } catch (error) {
      if (!(error instanceof ProviderUnavailableError)) throw error;
      passedOver.push(error.message);
    }
  }
  throw new ProviderUnavailableError(`No device can run the dense model. ${passedOver.join(" ")}`);
}

/** @throws {ProviderUnavailableError} When the provider is not available on this machine. */
export async function createBackend(
  compiled: TrainingGraph,
  provider: Provider,
  { threads, memory = ordinaryMemory }: BackendOptions,
): Promise<TrainingBackend> {
  switch (provider) {
    case "reference":
      return new ReferenceBackend(compiled);
    case "cpu": {
      const backend = await passesBackend(compiled, threads);
      await backend.prepare();
      return backend;
    }
    case "cuda": {
      const model = { ...trainingModel(compiled), sequenceOutput: SEQUENCE_OUTPUT };
      const session = await createOnnxSession(model, { device: provider, threads });
      const ort = await onnxRuntime();
      return new HostStateBackend({ ort, session, compiled, device: provider, memory });
    }
    case "webgpu": {
      const outputsOnDevice = Object.keys(compiled.state).map(trainingNames.next);
      const settings = { device: provider, threads, outputsOnDevice };
      const session = await createOnnxSession(trainingModel(compiled), settings);
      const reader = await DeviceReader.create([compiled.layout.blocks, BLOCK_WIDTH]);
      const ort = await onnxRuntime();
      return new DeviceStateBackend({ ort, session, compiled, device: provider, reader });
    }
    default:
      return provider satisfies never;
  }
}

/**
 * A backend on the CPU whose steps several threads can share.
 *
 * @throws {ProviderUnavailableError} When the CPU is not available to ONNX Runtime.
 */
export async function createPartsBackend(compiled: TrainingGraph): Promise<PartsBackend> {
  const backend = await passesBackend(compiled, 1);
  await backend.prepare(["first", "update"]);
  return backend;
}

async function passesBackend(compiled: TrainingGraph, threads: number): Promise<PassesBackend> {
  const passes = compilePasses(compiled);
  const models = { whole: trainingModel(compiled), ...passModels(compiled, passes) };
  const open = (graph: StepGraph) =>
    createOnnxSession(
      { ...models[graph], sequenceOutput: SEQUENCE_OUTPUT },
      { device: "cpu", threads },
    );
  const { blocks, learnedBlocks } = compiled.layout;
  // Batch statistics need all rows of the batch in one pass.
  const rowsMax = learnedBlocks < blocks ? Infinity : threads * PASS_ROWS;
  return new PassesBackend({ ort: await onnxRuntime(), open, compiled, passes, rowsMax });
}
