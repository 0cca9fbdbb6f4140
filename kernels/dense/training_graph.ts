/**
 * The training compiler: from a model's text to one graph that makes loss, logits, gradients of the embeddings, and the
 * next weights and optimizer state from a batch and the present ones.
 */
import { Graph } from "./graph/graph.ts";
import { gradients } from "./graph/gradients.ts";
import { ROWS } from "./graph/shape.ts";
import type { ParameterValue, Value } from "./graph/value.ts";
import { batchLoss } from "./losses.ts";
import { columnsOf } from "./models/columns.ts";
import type { Model, ModelInputs, Phase } from "./models/model.ts";
import { widthOf } from "./models/sparse_inputs.ts";
import { clipByGlobalNorm } from "./optimizers/clip_by_global_norm.ts";
import type { DenseOptimizerOptions } from "./optimizers/options.ts";
import { optimizerRule } from "./optimizers/rules.ts";
import { type DropoutMask, trainingPhase } from "./phases.ts";
import { BLOCK_WIDTH, type WeightLayout, weightLayout } from "./weight_layout.ts";
import { mapValues } from "../../structures/map_values.ts";

export interface TrainingGraph {
  readonly model: Model;
  readonly optimizer: DenseOptimizerOptions;
  readonly graph: Graph;
  /** In the order of the layout. */
  readonly parameters: readonly ParameterValue[];
  /** Where they lie in the matrix of weights, and in each of the optimizer's. */
  readonly layout: WeightLayout;
  /** The matrices that a step reads and replaces: `weights` first, then the optimizer's; with their first values. */
  readonly state: Readonly<Record<string, number | undefined>>;
  readonly dropoutMasks: readonly DropoutMask[];
  /** Results of a step by name; see {@link TRAINING_NAMES}. */
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Names of a training graph's inputs and outputs. */
export const TRAINING_NAMES = {
  weights: "weights",
  labels: "labels",
  dense: "dense",
  logSampleRate: "log_sample_rate",
  inverseRows: "inverse_rows",
  loss: "loss",
  logits: "logits",
  /** Sum of the next weights' squares: not finite as soon as one of them is not. */
  weightsNorm: "weights_norm",
  /** Of all weights, in their layout. */
  gradient: "gradient",
  gradientBefore: "gradient_before",
  gradientSum: "gradient_sum",
  presentIn: (history: string) => `${history}/present`,
  gradientOf: (slice: string) => `gradient/${slice}`,
  next: (vector: string) => `next/${vector}`,
} as const;

/** Compiles the step of `model` under `optimizer`. */
export function compileTraining(model: Model, optimizer: DenseOptimizerOptions): TrainingGraph {
  const g = new Graph();
  const { gradient, results, parameters, layout, dropoutMasks } = backward(g, model);
  return {
    model,
    optimizer,
    graph: g,
    parameters,
    layout,
    state: stateOf(optimizer),
    dropoutMasks,
    outputs: { ...results, ...update(g, gradient, layout, optimizer) },
  };
}

/** A step in two graphs, for a batch that comes in parts: the first runs for each part, the second once. */
export interface TrainingPasses {
  /** Adds the part's gradient of the weights to the sum of those before; else as the whole step. */
  readonly pass: Pick<TrainingGraph, "graph" | "parameters" | "outputs">;
  /** The next state from the present one and the whole gradient. */
  readonly update: Pick<TrainingGraph, "graph" | "outputs">;
}

/** The same step as {@link compileTraining}'s, in two graphs. */
export function compilePasses({ model, optimizer, layout }: TrainingGraph): TrainingPasses {
  const { gradientBefore, gradientSum, gradient } = TRAINING_NAMES;
  const first = new Graph(), second = new Graph();
  const { gradient: ofPart, results, parameters } = backward(first, model);
  const sum = first.add(first.input(gradientBefore, matrixShape(layout)), ofPart);
  const whole = second.input(gradient, matrixShape(layout));
  return {
    pass: { graph: first, parameters, outputs: { ...results, [gradientSum]: sum } },
    update: { graph: second, outputs: update(second, whole, layout, optimizer) },
  };
}

/**
 * From a batch to the loss, what the caller wants to know, and the gradient of all weights as one matrix; in the place
 * of a statistic's gradient lies what it falls by.
 */
function backward(g: Graph, model: Model) {
  const { sizes, tasks } = model;
  const names = TRAINING_NAMES;
  const inverseRows = g.input(names.inverseRows, [1]);
  const phase = trainingPhase(g, inverseRows);
  const inputs = modelInputs(g, model, phase);

  const logits = model.logits(g, inputs);
  const loss = batchLoss(g, {
    logits,
    labels: g.input(names.labels, [ROWS, sizes.tasks]),
    logSampleRate: g.input(names.logSampleRate, [ROWS, 1]),
    inverseRows,
  }, tasks);

  const { learned, parameters } = g;
  const embedded: Readonly<Record<string, Value>> = {
    ...inputs.sparse,
    ...mapValues(inputs.histories, ({ entries }) => entries),
  };
  const variables = [...learned, ...Object.values(embedded)];
  const computed = gradients(g, loss, variables);

  const layout = weightLayout(learned, g.statistics);
  const changes = [...computed.slice(0, learned.length), ...phase.statisticChanges];
  const gradient = g.concat(
    layout.slots.map(({ size, blocks }, index) => {
      const flat = g.reshape(changes[index], [size]);
      return g.reshape(g.pad(flat, 0, 0, blocks * BLOCK_WIDTH - size), [blocks, BLOCK_WIDTH]);
    }),
    0,
  );
  const results: Record<string, Value> = {
    [names.loss]: g.reshape(loss, [1]),
    [names.logits]: logits,
    ...Object.fromEntries(
      Object.keys(embedded).map((name, i) =>
        [names.gradientOf(name), computed[learned.length + i]] as const
      ),
    ),
  };
  const { dropoutMasks } = phase;
  return { gradient, results, parameters, layout, dropoutMasks };
}

/** From the present state and the gradient of all weights to the next state. */
function update(
  g: Graph,
  gradient: Value,
  layout: WeightLayout,
  optimizer: DenseOptimizerOptions,
): Record<string, Value> {
  const names = TRAINING_NAMES;
  const shape = matrixShape(layout);
  const rule = optimizerRule(optimizer.kind);
  const { gradientClipNorm } = optimizer;
  const weights = g.input(names.weights, shape);
  const { blocks, learnedBlocks } = layout;
  const learned = g.pad(g.slice(gradient, 0, 0, learnedBlocks), 0, 0, blocks - learnedBlocks);
  const next = rule.update(g, {
    weights,
    gradient: gradientClipNorm === undefined
      ? learned
      : clipByGlobalNorm(g, learned, gradientClipNorm),
    state: mapValues(rule.state(optimizer), (_first, name) => g.input(name, shape)),
    scalars: mapValues(rule.scalars(optimizer, 1, 1), (_value, name) => g.input(name, [1])),
  }, optimizer);
  const nextWeights = learnedBlocks === blocks
    ? next.weights
    // No optimizer and no decay touches a statistic.
    : g.concat([
      g.slice(next.weights, 0, 0, learnedBlocks),
      g.slice(g.subtract(weights, gradient), 0, learnedBlocks, blocks),
    ], 0);
  return {
    [names.next(names.weights)]: nextWeights,
    ...Object.fromEntries(
      Object.entries(next.state).map(([name, value]) => [names.next(name), value]),
    ),
    [names.weightsNorm]: g.reshape(g.reduceSum(g.square(nextWeights), [0, 1]), [1]),
  };
}

function stateOf(optimizer: DenseOptimizerOptions): TrainingGraph["state"] {
  return {
    [TRAINING_NAMES.weights]: undefined,
    ...optimizerRule(optimizer.kind).state(optimizer),
  };
}

const matrixShape = ({ blocks }: WeightLayout) => [blocks, BLOCK_WIDTH];

/** The graph inputs that a model reads. */
export function modelInputs(g: Graph, model: Model, phase: Phase): ModelInputs {
  const { denseWidth } = model.sizes;
  const histories = model.historyInputs.map(({ name, lengthMax, dim }) => {
    const entries = g.input(name, [ROWS, lengthMax, dim]);
    const present = g.input(TRAINING_NAMES.presentIn(name), [ROWS, lengthMax]);
    return [name, { entries, present }] as const;
  });
  return {
    sparse: Object.fromEntries(
      model.sparseInputs.map((input) => [
        input.slice,
        g.input(input.slice, [ROWS, widthOf(input)]),
      ]),
    ),
    histories: Object.fromEntries(histories),
    dense: denseWidth > 0 ? g.input(TRAINING_NAMES.dense, [ROWS, denseWidth]) : undefined,
    columns: columnsOf(model),
    dropout: phase.dropout,
    moments: phase.moments,
  };
}
