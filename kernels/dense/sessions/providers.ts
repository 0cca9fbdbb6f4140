/**
 * From a provider's name to what runs there. A named device that is missing is an error, never a silent detour; only
 * "auto" looks for the next best one.
 */
import { BLOCK_WIDTH } from "../weight_layout.ts";
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";
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
} from "./onnx_runtime.ts";
import { ReferenceBackend } from "./reference_backend.ts";
import type { TrainingBackend } from "./training_backend.ts";
import { trainingModel } from "./training_model.ts";

/** "auto" takes CUDA where it works, else the CPU; "reference" is plain TypeScript, deterministic to the bit. */
export type Provider = Device | "auto" | "reference";

/**
 * Devices that "auto" tries, in order. WebGPU is not among them: a software Vulkan driver looks like a graphics card
 * and is many times slower than the CPU.
 */
const AUTO_DEVICES: readonly Device[] = ["cuda", "cpu"];

/** What came of choosing a device. */
export interface Chosen<T> {
  readonly value: T;
  /** Why "auto" passed over devices that it would have preferred; empty for a named provider. */
  readonly passedOver: readonly string[];
}

/** @throws {ProviderUnavailableError} When the provider cannot run here. */
export async function createBackend(
  compiled: TrainingGraph,
  provider: Provider,
  threads: number,
  memory: HostMemory = ordinaryMemory,
): Promise<Chosen<TrainingBackend>> {
  if (provider === "reference") return { value: new ReferenceBackend(compiled), passedOver: [] };
  return await onDevice(provider, (device) => deviceBackend(compiled, device, threads, memory));
}

async function deviceBackend(
  compiled: TrainingGraph,
  device: Device,
  threads: number,
  memory: HostMemory,
): Promise<TrainingBackend> {
  switch (device) {
    case "cpu":
    case "cuda": {
      const model = { ...trainingModel(compiled), sequenceOutput: SEQUENCE_OUTPUT };
      const session = await createOnnxSession(model, { device, threads });
      return new HostStateBackend(await onnxRuntime(), session, compiled, device, memory);
    }
    case "webgpu": {
      const outputsOnDevice = Object.keys(compiled.state).map(TRAINING_NAMES.next);
      const settings = { device, threads, outputsOnDevice };
      const session = await createOnnxSession(trainingModel(compiled), settings);
      const reader = await DeviceReader.create([compiled.layout.blocks, BLOCK_WIDTH]);
      return new DeviceStateBackend(await onnxRuntime(), session, compiled, device, reader);
    }
    default:
      return device satisfies never;
  }
}

/** Creates on the named device, or for "auto" on the first that works. */
export async function onDevice<T>(
  provider: Device | "auto",
  create: (device: Device) => Promise<T>,
): Promise<Chosen<T>> {
  if (provider !== "auto") return { value: await create(provider), passedOver: [] };
  const passedOver: string[] = [];
  for (const device of AUTO_DEVICES) {
    try {
      return { value: await create(device), passedOver };
    } catch (error) {
      if (!(error instanceof ProviderUnavailableError)) throw error;
      passedOver.push(error.message);
    }
  }
  throw new ProviderUnavailableError(`No device can run the dense model. ${passedOver.join(" ")}`);
}
