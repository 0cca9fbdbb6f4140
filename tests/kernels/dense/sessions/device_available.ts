/**
 * Tests whether a device works here. Debian's mesa-vulkan-drivers gives a software device for
 * WebGPU; CUDA needs a card and `deno task gpu:install`.
 */
import {
  type Device,
  ProviderUnavailableError,
  requireDevice,
} from "../../../../kernels/dense/sessions/onnx_runtime.ts";

/**
 * Devices that continuous integration installs drivers for, so that a test on them must not be
 * skipped there.
 */
const NEEDED_IN_CI: readonly Device[] = ["cpu", "webgpu"];

/**
 * @throws {ProviderUnavailableError} When a device that continuous integration installs is missing
 * there.
 */
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
