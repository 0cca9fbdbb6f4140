/**
 * The sessions that train and serve the configured dense model. Composition and batch training open them here, so
 * that both mean the same model.
 */
import {
  createInferenceSession,
  type InferenceSession,
} from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import { createTrainingSession, type TrainingSession } from "../kernels/dense/training_session.ts";
import { PageLockedMemory } from "../mesh/adapters/cuda/page_locked_memory.ts";
import type { DenseModelParts } from "./dense_thread/protocol.ts";
import { ThreadedSession } from "./dense_thread/threaded_session.ts";

/**
 * A training session with untrained weights. On the CPU it may have a thread of its own; where it may run on CUDA, its
 * arrays are in page-locked memory, which stays in the thread that made it.
 */
export function openTrainingSession(
  parts: DenseModelParts,
  { ownThread = false } = {},
): Promise<TrainingSession> {
  const { provider } = parts.session;
  if (ownThread && provider === "cpu") return ThreadedSession.open(parts);
  const memory = provider === "cuda" || provider === "auto" ? PageLockedMemory.open() : undefined;
  return createTrainingSession(createModel(parts.model, parts.modelSizes), {
    ...parts.session,
    ...(memory !== undefined && { memory }),
  });
}

/** A serving session that begins with the same untrained weights. */
export function openInferenceSession(parts: DenseModelParts): Promise<InferenceSession> {
  return createInferenceSession(createModel(parts.model, parts.modelSizes), parts.session);
}
