/**
 * Is there a WebGPU device? Debian's mesa-vulkan-drivers gives a software one.
 */
import { createInferenceSession } from "../../../../kernels/dense/inference_session.ts";
import { ProviderUnavailableError } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { EXAMPLE_OPTIONS, exampleModel } from "../models/example_models.ts";

export async function webGpuAvailable(): Promise<boolean> {
  const model = exampleModel(EXAMPLE_OPTIONS.logisticRegression);
  try {
    const session = await createInferenceSession(model, {
      provider: "webgpu",
      threads: 1,
      seed: 1,
    });
    await session.close();
    return true;
  } catch (error) {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    console.warn(`Tests on WebGPU are skipped: ${error.message}`);
    return false;
  }
}
