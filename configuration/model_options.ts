/**
 * `model` as the dense kernel wants it.
 */
import type { LearningRateSchedule } from "../kernels/dense/optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "../kernels/dense/optimizers/options.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import type { SparseInput } from "../kernels/dense/models/model.ts";
import type { ModelOptions, ModelSizes } from "../kernels/dense/models/options.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import type { ModelSection } from "./sections/model.ts";
import { withoutUndefined } from "./without_undefined.ts";

export function modelOptionsOf(section: ModelSection): ModelOptions {
  const {
    tasks,
    taskWeights,
    optimizer: _,
    learningRateSchedule: _schedule,
    seed: _seed,
    ...architecture
  } = section;
  return {
    ...architecture,
    tasks: tasks.map((task) => ({
      loss: "binaryCrossEntropy",
      weight: Object.hasOwn(taskWeights, task) ? taskWeights[task] : 1,
    })),
  };
}

export function modelSizesOf(section: ModelSection, schema: FeatureSchema): ModelSizes {
  return {
    slots: schema.slots.length,
    denseWidth: schema.denseWidth,
    tasks: section.tasks.length,
  };
}

/** The table segments that the model reads, in row order. */
export function sparseInputsOf(section: ModelSection): readonly SparseInput[] {
  // No model's segments depend on the number of slots.
  const sizes = { slots: 1, denseWidth: 0, tasks: section.tasks.length };
  return createModel(modelOptionsOf(section), sizes).sparseInputs;
}

export function denseOptimizerOf({ optimizer }: ModelSection): DenseOptimizerOptions {
  return withoutUndefined(optimizer);
}

export function learningRateScheduleOf(section: ModelSection): LearningRateSchedule | undefined {
  const { learningRateSchedule } = section;
  return learningRateSchedule && withoutUndefined(learningRateSchedule);
}
