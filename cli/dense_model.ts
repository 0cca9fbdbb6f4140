/**
 * The dense model that a configuration describes, and the sessions that train and serve it. Composition and batch
 * training make them here, so that both mean the same model.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import {
  createInferenceSession,
  type InferenceSession,
} from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import type { Model } from "../kernels/dense/models/model.ts";
import { createTrainingSession, type TrainingSession } from "../kernels/dense/training_session.ts";

type Parts = Pick<CairnConfiguration, "model" | "modelSizes" | "session">;

/** The model with the sizes that the features give it. */
export function modelOf({ model, modelSizes }: Parts): Model {
  return createModel(model, modelSizes);
}

/** A training session with untrained weights. */
export function openTrainingSession(parts: Parts): Promise<TrainingSession> {
  return createTrainingSession(modelOf(parts), parts.session);
}

/** A serving session that begins with the same untrained weights. */
export function openInferenceSession(parts: Parts): Promise<InferenceSession> {
  const { provider, threads, seed } = parts.session;
  return createInferenceSession(modelOf(parts), { provider, threads, seed });
}
