/**
 * From a provider's name to what runs there. A named device that is missing is an error, never a silent detour; only
 * "auto" looks for the next best one.
 */
import type { TrainingGraph } from "../training_graph.ts";
import { HostStateBackend } from "./host_state_backend.ts";
import { type Device, ProviderUnavailableError } from "./onnx_runtime.ts";
import { ReferenceBackend } from "./reference_backend.ts";
import type { TrainingBackend } from "./training_backend.ts";

/** "auto" takes the first of cuda, webgpu and cpu that works; "reference" is plain TypeScript, deterministic to the bit. */
export type Provider = Device | "auto" | "reference";

/** @throws {ProviderUnavailableError} When the provider cannot run here. */
export async function createBackend(
  compiled: TrainingGraph,
  provider: Provider,
  threads: number,
): Promise<TrainingBackend> {
  switch (provider) {
    case "reference":
      return new ReferenceBackend(compiled);
    case "cpu":
    case "cuda":
    case "webgpu":
      return await HostStateBackend.create(compiled, provider, threads);
    case "auto":
      return await firstAvailable(
        ["cuda", "webgpu", "cpu"],
        (device) => createBackend(compiled, device, threads),
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
