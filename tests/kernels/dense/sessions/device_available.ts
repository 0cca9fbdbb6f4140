/**
 * Is there such a device? Debian's mesa-vulkan-drivers gives a software one for WebGPU; CUDA needs a card and
 * `deno task gpu:install`.
 */
import { createInferenceSession } from "../../../../kernels/dense/inference_session.ts";
import {
  type Device,
  ProviderUnavailableError,
} from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { EXAMPLE_OPTIONS, exampleModel } from "../models/example_models.ts";

export async function deviceAvailable(device: Device): Promise<boolean> {
  const model = exampleModel(EXAMPLE_OPTIONS.logisticRegression);
  try {
    const session = await createInferenceSession(model, { provider: device, threads: 1, seed: 1 });
    await session.close();
    return true;
  } catch (error) {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    console.warn(`Tests on ${device} are skipped: ${error.message}`);
    return false;
  }
}
