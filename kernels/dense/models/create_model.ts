/**
 * Makes a model from its options, by one definition per kind in a table that the compiler
 * completes.
 */
import { attendedInputs, historyInputs } from "./attention_pooling.ts";
import { dcnV2 } from "./dcn_v2.ts";
import { deepFm } from "./deep_fm.ts";
import { dlrm } from "./dlrm.ts";
import { finalNet } from "./final_net.ts";
import { factorizationMachine } from "./factorization_machine.ts";
import { logisticRegression } from "./logistic_regression.ts";
import { mmoe } from "./mmoe.ts";
import type { Model, ModelDefinition } from "./model.ts";
import {
  type ModelKind,
  type ModelOptions,
  ModelOptionsError,
  type ModelSizes,
} from "./options.ts";
import { checkEqualWidths } from "./sparse_inputs.ts";
import { wideAndDeep } from "./wide_and_deep.ts";

type Definitions = {
  readonly [Kind in ModelKind]: ModelDefinition<Extract<ModelOptions, { kind: Kind }>>;
};

const modelDefinitions: Definitions = {
  logisticRegression,
  factorizationMachine,
  wideAndDeep,
  deepFm,
  dcnV2,
  finalNet,
  dlrm,
  mmoe,
};

/**
 * A model of the given kind and sizes.
 *
 * @throws {ModelOptionsError} When the sizes do not allow this kind of model.
 */
export function createModel(options: ModelOptions, sizes: ModelSizes): Model {
  const tasks = options.tasks ?? Array.from({ length: sizes.tasks }, () => defaultTask);
  if (tasks.length !== sizes.tasks) {
    throw new ModelOptionsError(
      `The model has ${tasks.length} tasks and the labels have ${sizes.tasks} columns; give one task for each.`,
    );
  }
  if (sizes.slots < 1) {
    throw new ModelOptionsError("The feature schema has no slot; a model needs at least one.");
  }
  const definition = modelDefinitions[options.kind] as ModelDefinition<ModelOptions>;
  if (definition.dotProducts && "embeddingDim" in options) checkEqualWidths(options.kind, options);
  const sparseInputs = definition.sparseInputs(options, sizes);
  const { attention = [] } = options;
  return {
    options,
    sizes,
    sparseInputs,
    historyInputs: historyInputs(attention, sparseInputs, sizes),
    tasks: tasks.map((task) => ({ weight: 1, ...task })),
    logits: (g, inputs) =>
      definition.logits(g, attendedInputs(g, inputs, attention, sparseInputs), options, sizes),
  };
}

const defaultTask = { loss: "binaryCrossEntropy" } as const;
