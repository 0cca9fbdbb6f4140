/**
 * Builds the options of the dense model, its sizes and its optimizer from `model`.
 */
import type { LearningRateSchedule } from "../kernels/dense/optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "../kernels/dense/optimizers/options.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import type { SparseInput } from "../kernels/dense/models/model.ts";
import type { ModelOptions, ModelSizes, Task } from "../kernels/dense/models/options.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import { sharesIds } from "./feature_schema.ts";
import type { CairnFile } from "./schema.ts";
import type { ModelSection } from "./sections/model.ts";
import { withoutUndefined } from "./without_undefined.ts";

/**
 * The model's options, with slots by index.
 *
 * @param labelMax Gives the largest magnitude of a task's labels; undefined = unbounded.
 * @param columns The slots' names in the order of a batch.
 * @param slotDims Widths of their embeddings. Default: the model's embeddingDim for all.
 */
export function modelOptionsOf(
  section: ModelSection,
  columns: readonly string[],
  slotDims: readonly number[] = [],
  labelMax: (task: string) => number | undefined = () => undefined,
): ModelOptions {
  const { attention = [], ...rest } = "attention" in section
    ? section
    : { ...section, attention: [] };
  const {
    tasks,
    taskLosses: _losses,
    taskWeights: _weights,
    listLoss: _listLoss,
    optimizer: _,
    learningRateSchedule: _schedule,
    seed: _seed,
    ...architecture
  } = rest;
  const mixed = "embeddingDim" in architecture &&
    slotDims.some((dim) => dim !== architecture.embeddingDim);
  return {
    ...architecture,
    ...(mixed ? { slotDims } : {}),
    ...(attention.length === 0 ? {} : {
      attention: attention.map(({ slot, candidate, lengthMax, hidden }) => ({
        slot: columns.indexOf(slot),
        candidate: columns.indexOf(candidate),
        lengthMax,
        hidden,
      })),
    }),
    tasks: tasks.map((task) => {
      const bound = labelMax(task);
      return {
        ...taskOptionsOf(task, section),
        ...(bound === undefined ? {} : { labelMax: bound }),
      };
    }),
  };
}

/** Loss and weight of a task. */
export function taskOptionsOf(
  task: string,
  { taskLosses, taskWeights, listLoss }: ModelSection,
): Task {
  const loss = Object.hasOwn(taskLosses, task) ? taskLosses[task] : "binaryCrossEntropy";
  const listWeight = listLoss !== undefined && loss === "binaryCrossEntropy" ? listLoss.weight : 0;
  return {
    loss,
    weight: Object.hasOwn(taskWeights, task) ? taskWeights[task] : 1,
    ...(listWeight > 0 && { listWeight }),
  };
}

export function modelSizesOf(
  { features, model }: Pick<CairnFile, "features" | "model">,
  schema: FeatureSchema,
): ModelSizes {
  return {
    slots: schema.slots.length,
    denseWidth: schema.denseWidth,
    tasks: model.tasks.length,
    names: {
      slots: schema.slots.map(({ name, number }) =>
        sharesIds(features.slots[name]) ? { name } : { name, number }
      ),
      dense: schema.dense.map(({ name }) => name),
      tasks: model.tasks,
    },
  };
}

/** The table slices that the model reads, in the order of a row. */
export function sparseInputsOf(section: ModelSection): readonly SparseInput[] {
  // The slices of a model do not depend on its slots, so one slot is enough.
  const sizes = { slots: 1, denseWidth: 0, tasks: section.tasks.length };
  const pooled = "attention" in section ? { ...section, attention: [] } : section;
  return createModel(modelOptionsOf(pooled, []), sizes).sparseInputs;
}

export function denseOptimizerOf({ optimizer }: ModelSection): DenseOptimizerOptions {
  return withoutUndefined(optimizer);
}

export function learningRateScheduleOf(section: ModelSection): LearningRateSchedule | undefined {
  const { learningRateSchedule } = section;
  return learningRateSchedule && withoutUndefined(learningRateSchedule);
}
