/**
 * From a provider's name to what runs there. A named device that is missing is an error, never a silent detour; only
 * "auto" looks for the next best one.
 */
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";
import { DeviceReader } from "./device_reader.ts";
import { DeviceStateBackend } from "./device_state_backend.ts";
import { type HostMemory, ordinaryMemory } from "./host_memory.ts";
import { HostStateBackend } from "./host_state_backend.ts";
import {
  createOnnxSession,
  type Device,
  onnxRuntime,
  ProviderUnavailableError,
} from "./onnx_runtime.ts";
import { ReferenceBackend } from "./reference_backend.ts";
import type { TrainingBackend } from "./training_backend.ts";
import { trainingModel } from "./training_model.ts";

/** "auto" takes the first of cuda, webgpu and cpu that works; "reference" is plain TypeScript, deterministic to the bit. */
export type Provider = Device | "auto" | "reference";

/** @throws {ProviderUnavailableError} When the provider cannot run here. */
export async function createBackend(
  compiled: TrainingGraph,
  provider: Provider,
  threads: number,
  memory: HostMemory = ordinaryMemory,
): Promise<TrainingBackend> {
  switch (provider) {
    case "reference":
      return new ReferenceBackend(compiled);
    case "cpu":
    case "cuda": {
      const session = await createOnnxSession(trainingModel(compiled), {
        device: provider,
        threads,
      });
      return new HostStateBackend(await onnxRuntime(), session, compiled, provider, memory);
    }
    case "webgpu": {
      const outputsOnDevice = Object.keys(compiled.state).map(TRAINING_NAMES.next);
      const settings = { device: provider, threads, outputsOnDevice };
      const session = await createOnnxSession(trainingModel(compiled), settings);
      const reader = await DeviceReader.create(compiled.weightCount);
      return new DeviceStateBackend(await onnxRuntime(), session, compiled, provider, reader);
    }
    case "auto":
      return await firstAvailable(
        ["cuda", "webgpu", "cpu"],
        (device) => createBackend(compiled, device, threads, memory),
      );
    default:
      return provider satisfies never;
  }
}

/** The first device on which `create` succeeds. */
export async function firstAvailable<T>(
  devices: readonly Device[],
  create: (device: Device) => Promise<T>,
): Promise<T> {
  const failures: string[] = [];
  for (const device of devices) {
    try {
      return await create(device);
    } catch (error) {
      if (!(error instanceof ProviderUnavailableError)) throw error;
      failures.push(error.message);
    }
  }
  throw new ProviderUnavailableError(`No device can run the dense model. ${failures.join(" ")}`);
}
