/**
 * Opens the sessions that train and serve the configured dense model, on the devices of this
 * machine. `auto` is resolved to a device here.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import {
  createInferenceSession,
  type InferenceSession,
} from "../../kernels/dense/inference_session.ts";
import { FeatureColumns } from "../../kernels/features/feature_columns.ts";
import { createModel } from "../../kernels/dense/models/create_model.ts";
import { requireDevice } from "../../kernels/dense/sessions/onnx_runtime.ts";
import { chooseProvider } from "../../kernels/dense/sessions/providers.ts";
import {
  createTrainingSession,
  type TrainingSession,
} from "../../kernels/dense/training_session.ts";
import { PageLockedMemory } from "../../mesh/adapters/cuda/page_locked_memory.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { DenseSessions } from "../environment.ts";
import type { DenseModelParts, PlacedModelParts } from "./dense_threads/protocol.ts";
import { ThreadedSession } from "./dense_threads/threaded_session.ts";

/**
 * Takes a line for the operator: the device that `auto` chose, and why a session is slower than it
 * could be.
 */
export type Tell = (line: string) => void;

const tellStderr: Tell = (line) => console.error(line);

/** The sessions of a running mesh's actors; lines for the operator go to the log. */
export function machineSessions(
  configuration: CairnConfiguration,
  telemetry: Telemetry,
): DenseSessions {
  const tell = (line: string) => telemetry.log("info", line);
  const { placement, trainer, features } = configuration;
  // Messages to a thread pay only where the next batch is prepared during a step.
  const ownThread = placement.kind === "workers" && trainer.pipelined;
  return {
    openInference: () => {
      const { sharedSlots } = new FeatureColumns(features.schema);
      return openInferenceSession(configuration, { sharedSlots, tell });
    },
    openTraining: () => openTrainingSession(configuration, { ownThread, tell }),
  };
}

/**
 * Checks that the configured device can be used, without a model.
 *
 * @throws {ProviderUnavailableError} When it cannot.
 */
export async function requireProvider({ session }: DenseModelParts): Promise<void> {
  const { provider } = await chooseProvider(session.provider);
  await requireDevice(provider);
}

/**
 * A training session with untrained weights. On the CPU it may have a thread of its own; where it
 * runs on CUDA, its arrays are in page-locked memory, which stays in the thread that made it.
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

/**
 * A serving session that begins with the same untrained weights.
 *
 * @param options.sharedSlots See `InferenceSessionOptions`. Default: none.
 */
export async function openInferenceSession(
  configured: DenseModelParts,
  { sharedSlots = [], tell = tellStderr }: {
    readonly sharedSlots?: readonly number[];
    readonly tell?: Tell;
  } = {},
): Promise<InferenceSession> {
  const parts = await placed(configured, "serves", tell);
  const model = createModel(parts.model, parts.modelSizes);
  return createInferenceSession(model, { ...parts.session, sharedSlots });
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
