/**
 * The sessions that train and serve the configured dense model. Composition and batch training open them here, so
 * that both mean the same model.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import {
  createInferenceSession,
  type InferenceSession,
} from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import { createTrainingSession, type TrainingSession } from "../kernels/dense/training_session.ts";
import { PageLockedMemory } from "../mesh/adapters/cuda/page_locked_memory.ts";

type Parts = Pick<CairnConfiguration, "model" | "modelSizes" | "session">;

/** A training session with untrained weights; where it may run on CUDA, its arrays are in page-locked memory. */
export function openTrainingSession(parts: Parts): Promise<TrainingSession> {
  const { provider } = parts.session;
  const memory = provider === "cuda" || provider === "auto" ? PageLockedMemory.open() : undefined;
  return createTrainingSession(createModel(parts.model, parts.modelSizes), {
    ...parts.session,
    ...(memory !== undefined && { memory }),
  });
}

/** A serving session that begins with the same untrained weights. */
export function openInferenceSession(parts: Parts): Promise<InferenceSession> {
  return createInferenceSession(createModel(parts.model, parts.modelSizes), parts.session);
}
