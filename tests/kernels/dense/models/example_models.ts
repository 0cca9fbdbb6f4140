/**
 * One small model of each kind, for tests that run for all kinds.
 */
import { createModel } from "../../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../../kernels/dense/models/model.ts";
import { pooledWidth } from "../../../../kernels/dense/models/sparse_inputs.ts";
import type { ModelKind, ModelOptions } from "../../../../kernels/dense/models/options.ts";
import { resolveShape, staticSize } from "../../../../kernels/dense/graph/shape.ts";
import type { TrainingBatch } from "../../../../kernels/dense/training_session.ts";
import { numbers } from "../finite_differences.ts";

const embeddingDim = 3;

type Examples = { readonly [Kind in ModelKind]: Extract<ModelOptions, { kind: Kind }> };

export const EXAMPLE_OPTIONS: Examples = {
  logisticRegression: { kind: "logisticRegression" },
  factorizationMachine: { kind: "factorizationMachine", embeddingDim },
  wideAndDeep: {
    kind: "wideAndDeep",
    embeddingDim,
    hidden: [6, 4],
    attention: [{ slot: 2, candidate: 0, lengthMax: 3, hidden: [4] }],
  },
  deepFm: { kind: "deepFm", embeddingDim, hidden: [6, 4] },
  dcnV2: { kind: "dcnV2", embeddingDim, crossLayers: 2, hidden: [6] },
  finalNet: { kind: "finalNet", embeddingDim, hidden: [6, 4] },
  dlrm: { kind: "dlrm", embeddingDim, bottom: [5], top: [6] },
  mmoe: {
    kind: "mmoe",
    embeddingDim,
    experts: 3,
    expertHidden: [5],
    towerHidden: [4],
    tasks: [
      { loss: "binaryCrossEntropy" },
      { loss: "squaredError", weight: 0.25 },
    ],
  },
};

/** Normalised variants of the models with a tower. */
export const NORMALIZED_OPTIONS: readonly ModelOptions[] = [
  { ...EXAMPLE_OPTIONS.wideAndDeep, normalization: "layer" },
  { ...EXAMPLE_OPTIONS.deepFm, normalization: "batch" },
  { ...EXAMPLE_OPTIONS.dcnV2, normalization: "batch" },
  { ...EXAMPLE_OPTIONS.finalNet, normalization: "batch" },
  { ...EXAMPLE_OPTIONS.dlrm, normalization: "layer" },
  { ...EXAMPLE_OPTIONS.mmoe, normalization: "batch" },
];

/** Variants with slots of different widths, one of them without an embedding. */
export const MIXED_WIDTHS: Readonly<Record<string, ModelOptions>> = {
  "wideAndDeep with attention over mixed widths": {
    ...EXAMPLE_OPTIONS.wideAndDeep,
    slotDims: [2, 0, 2, 5],
  },
  "dcnV2 of mixed widths": { ...EXAMPLE_OPTIONS.dcnV2, slotDims: [1, 4, 3, 2] },
  "finalNet of mixed widths": { ...EXAMPLE_OPTIONS.finalNet, slotDims: [2, 0, 3, 1] },
  "mmoe of mixed widths": { ...EXAMPLE_OPTIONS.mmoe, slotDims: [3, 1, 0, 4] },
  "deepFm with a slot of first order alone": {
    ...EXAMPLE_OPTIONS.deepFm,
    slotDims: [3, 0, 3, 3],
  },
};

/** All example models by name. */
export const EXAMPLES: Readonly<Record<string, ModelOptions>> = {
  ...EXAMPLE_OPTIONS,
  ...MIXED_WIDTHS,
  ...Object.fromEntries(
    NORMALIZED_OPTIONS.map((
      options,
    ) => [
      `${options.kind} with ${"normalization" in options && options.normalization} norm`,
      options,
    ]),
  ),
};

export function exampleModel(options: ModelOptions): Model {
  const tasks = options.tasks?.length ?? 1;
  return createModel(options, { slots: 4, denseWidth: 2, tasks });
}

export function exampleBatch(model: Model, rows: number, seed = 0): TrainingBatch {
  const { denseWidth, tasks } = model.sizes;
  const floats = (shape: readonly (number | string)[], offset: number) =>
    Float32Array.from(numbers(staticSize(resolveShape(shape, { rows })), 100 * seed + offset));
  return {
    rows,
    sparse: Object.fromEntries(
      model.sparseInputs.map((input, i) =>
        [input.slice, floats(["rows", pooledWidth(input)], 10 + i)] as const
      ),
    ),
    histories: Object.fromEntries(
      model.historyInputs.map(({ name, lengthMax, dim }, i) => {
        const present = floats(["rows", lengthMax], 30 + i).map((value) => value > 0 ? 1 : 0);
        return [name, { entries: floats(["rows", lengthMax, dim], 20 + i), present }] as const;
      }),
    ),
    dense: floats(["rows", denseWidth], 1),
    labels: floats(["rows", tasks], 2).map((value) => value > 0.3 ? 1 : 0),
    logSampleRate: floats(["rows"], 3).map((value) => value > 0 ? Math.log(0.25) : 0),
  };
}
