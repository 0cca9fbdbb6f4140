/**
 * Is there such a device? Debian's mesa-vulkan-drivers gives a software one for WebGPU; CUDA needs a card and
 * `deno task gpu:install`.
 */
import {
  type Device,
  ProviderUnavailableError,
  requireDevice,
} from "../../../../kernels/dense/sessions/onnx_runtime.ts";

/** Continuous integration installs what these need; without it, no test would notice that they stopped working. */
const NEEDED_IN_CI: readonly Device[] = ["cpu", "webgpu"];

/** @throws {ProviderUnavailableError} When there is none in continuous integration, which has one. */
export async function deviceAvailable(
  device: Device,
  inCi = Deno.env.get("CI") === "true",
  require = requireDevice,
): Promise<boolean> {
  try {
    await require(device);
    return true;
  } catch (error) {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    if (inCi && NEEDED_IN_CI.includes(device)) throw error;
    console.warn(`Tests on ${device} are skipped: ${error.message}`);
    return false;
  }
}
