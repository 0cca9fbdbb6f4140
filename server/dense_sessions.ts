/**
 * The sessions that train and serve the configured dense model. Composition and batch training open them here, so
 * that both mean the same model, and here "auto" becomes the device that it stands for.
 */
import {
  createInferenceSession,
  type InferenceSession,
} from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import { requireDevice } from "../kernels/dense/sessions/onnx_runtime.ts";
import { chooseProvider } from "../kernels/dense/sessions/providers.ts";
import { createTrainingSession, type TrainingSession } from "../kernels/dense/training_session.ts";
import { PageLockedMemory } from "../mesh/adapters/cuda/page_locked_memory.ts";
import type { DenseModelParts, PlacedModelParts } from "./dense_threads/protocol.ts";
import { ThreadedSession } from "./dense_threads/threaded_session.ts";

/** Takes a line for whoever runs the model: where "auto" led, and what is slower than it could be. */
export type Tell = (line: string) => void;

const tellStderr: Tell = (line) => console.error(line);

/**
 * Asks the configured device, without a model.
 *
 * @throws {ProviderUnavailableError} When it cannot be used.
 */
export async function requireProvider({ session }: DenseModelParts): Promise<void> {
  const { provider } = await chooseProvider(session.provider);
  await requireDevice(provider);
}

/**
 * A training session with untrained weights. On the CPU it may have a thread of its own; where it runs on CUDA, its
 * arrays are in page-locked memory, which stays in the thread that made it.
 */
export async function openTrainingSession(
  configured: DenseModelParts,
  { ownThread = false, tell = tellStderr }: { ownThread?: boolean; tell?: Tell } = {},
): Promise<TrainingSession> {
  const parts = await placed(configured, "trains", tell);
  const { provider } = parts.session;
  if (ownThread && provider === "cpu") return ThreadedSession.open(parts);
  const memory = provider === "cuda" ? PageLockedMemory.open(tell) : undefined;
  return createTrainingSession(createModel(parts.model, parts.modelSizes), {
    ...parts.session,
    ...(memory !== undefined && { memory }),
  });
}

/** A serving session that begins with the same untrained weights. */
export async function openInferenceSession(
  configured: DenseModelParts,
  tell = tellStderr,
): Promise<InferenceSession> {
  const parts = await placed(configured, "serves", tell);
  return createInferenceSession(createModel(parts.model, parts.modelSizes), parts.session);
}

async function placed(
  parts: DenseModelParts,
  does: "trains" | "serves",
  tell: Tell,
): Promise<PlacedModelParts> {
  const { provider, passedOver } = await chooseProvider(parts.session.provider);
  if (parts.session.provider === "auto") {
    tell(
      [`The dense model ${does} on "${provider}", chosen by "auto".`, ...passedOver].join(" "),
    );
  }
  return { ...parts, session: { ...parts.session, provider } };
}
