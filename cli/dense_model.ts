/**
 * The dense model that a configuration describes, and the sessions that train and serve it. Composition and batch
 * training make them here, so that both mean the same model.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { createInferenceSession, type InferenceSession } from "../kernels/dense/inference_session.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import type { Model } from "../kernels/dense/models/model.ts";
import type { ModelOptions } from "../kernels/dense/models/options.ts";
import type { DenseOptimizerOptions } from "../kernels/dense/optimizers/options.ts";
import { createTrainingSession, type TrainingSession } from "../kernels/dense/training_session.ts";

type Parts = Pick<CairnConfiguration, "model" | "features" | "session">;

/** The model with the sizes that the features give it. */
export function modelOf({ model, features }: Parts): Model {
  return createModel(modelOptionsOf(model), {
    slots: features.schema.slots.length,
    denseWidth: features.schema.denseWidth,
    tasks: model.tasks.length,
  });
}

function modelOptionsOf(model: CairnConfiguration["model"]): ModelOptions {
  switch (model.kind) {
    case "logistic_regression":
      return { kind: "logisticRegression" };
    case "deepfm": {
      const { embeddingDim, hidden, dropout } = model;
      return { kind: "deepFm", embeddingDim, hidden, dropout };
    }
    default:
      return model satisfies never;
  }
}

/** A training session with untrained weights. */
export function openTrainingSession(parts: Parts): Promise<TrainingSession> {
  const { model, session } = parts;
  return createTrainingSession(modelOf(parts), {
    optimizer: optimizerOf(model),
    provider: session.provider,
    threads: session.threads,
    seed: model.seed,
  });
}

/** A serving session that begins with the same untrained weights. */
export function openInferenceSession(parts: Parts): Promise<InferenceSession> {
  const { provider, threads } = parts.session;
  return createInferenceSession(modelOf(parts), { provider, threads, seed: parts.model.seed });
}

function optimizerOf(model: CairnConfiguration["model"]): DenseOptimizerOptions {
  const { optimizer, l2 } = model;
  return l2 > 0 ? { ...optimizer, weightDecay: l2 } : optimizer;
}
