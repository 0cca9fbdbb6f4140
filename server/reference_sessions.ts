/**
 * Dense sessions on the reference provider: plain TypeScript in the calling thread, the same bits
 * on every run. Tests and simulations use them where the real machine would use ONNX Runtime.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { FeatureColumns } from "../kernels/features/feature_columns.ts";
import { createInferenceSession } from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import { createTrainingSession } from "../kernels/dense/training_session.ts";
import type { DenseSessions } from "./environment.ts";

/**
 * Opens the configured model on the reference provider, whichever provider the configuration names.
 */
export function referenceSessions(
  { model, modelSizes, session, features }: Pick<
    CairnConfiguration,
    "model" | "modelSizes" | "session" | "features"
  >,
): DenseSessions {
  const options = { ...session, provider: "reference" } as const;
  return {
    openInference: () => {
      const { sharedSlots } = new FeatureColumns(features.schema);
      return createInferenceSession(createModel(model, modelSizes), { ...options, sharedSlots });
    },
    openTraining: () => createTrainingSession(createModel(model, modelSizes), options),
  };
}
