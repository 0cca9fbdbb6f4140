/**
 * The training compiler. From a model's definition it makes one graph: inputs are a batch, the
 * weights and the optimizer's state; outputs are loss, logits, gradients of the embeddings, and the
 * next weights and state.
 */
import { Graph } from "./graph/graph.ts";
import { gradients } from "./graph/gradients.ts";
import { ROWS } from "./graph/shape.ts";
import type { ParameterValue, Value } from "./graph/value.ts";
import { batchLoss, comparesLists } from "./losses.ts";
import { columnsOf } from "./models/columns.ts";
import type { GraphInputs, Model, Phase, SparseInput } from "./models/model.ts";
import { pooledWidth } from "./models/sparse_inputs.ts";
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
  /** Parameters in the order of the layout. */
  readonly parameters: readonly ParameterValue[];
  /**
   * Positions of the parameters in the matrix of weights and in each matrix of the optimizer's
   * state.
   */
  readonly layout: WeightLayout;
  /**
   * First values of the matrices that a step reads and replaces: `weights` (undefined:
   * initialised), then the optimizer's.
   */
  readonly state: Readonly<Record<string, number | undefined>>;
  readonly dropoutMasks: readonly DropoutMask[];
  /** Results of a step by name; see {@link trainingNames}. */
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Names of a training graph's inputs and outputs. */
export const trainingNames = {
  weights: "weights",
  labels: "labels",
  dense: "dense",
  logSampleRate: "log_sample_rate",
  inverseRows: "inverse_rows",
  lists: "lists",
  loss: "loss",
  logits: "logits",
  /**
   * Sum of the squares of the gradient and of the next weights; not finite when a weight or the
   * square of a gradient is not finite. Optimizers keep such squares: an infinite one would stop a
   * weight for ever, without any sign in the weights.
   */
  stepSquares: "step_squares",
  /** Gradients of all weights over the rows of each part of a batch, one row a part. */
  gradientsOfParts: "gradients_of_parts",
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

/** The graph of one pass: the step of a part of a batch, up to the gradient of the weights. */
export type PassGraph = Pick<TrainingGraph, "graph" | "parameters" | "outputs">;

/** A step in graphs for a batch in parts, which run once per part, and one that ends the step. */
export interface TrainingPasses {
  /** Like the whole step, but its state output is the gradient of the weights. */
  readonly first: PassGraph;
  /** As `first`, with the gradient added to the sum of earlier passes. */
  readonly later: PassGraph;
  /** The next state, from the present one and the gradients of any number of parts. */
  readonly update: Pick<TrainingGraph, "graph" | "outputs">;
}

/** Compiles the step of {@link compileTraining} into the graphs of its passes. */
export function compilePasses(compiled: TrainingGraph): TrainingPasses {
  const { model, optimizer, layout } = compiled;
  const { gradientBefore, gradientSum, gradientsOfParts } = trainingNames;
  const pass = (sum: (g: Graph, gradient: Value) => Value): PassGraph => {
    const graph = new Graph();
    const { gradient, results, parameters } = backward(graph, model);
    return { graph, parameters, outputs: { ...results, [gradientSum]: sum(graph, gradient) } };
  };
  const graph = new Graph();
  // The symbol of rows counts parts here.
  const gradients = graph.input(gradientsOfParts, [ROWS, layout.blocks * BLOCK_WIDTH]);
  const whole = graph.reshape(graph.reduceSum(gradients, [0]), matrixShape(layout));
  return {
    first: pass((_, gradient) => gradient),
    later: pass((g, gradient) => g.add(g.input(gradientBefore, matrixShape(layout)), gradient)),
    update: { graph, outputs: update(graph, whole, layout, optimizer) },
  };
}

/**
 * Adds the step up to the gradient of all weights, as one matrix; the rows of a statistic hold the
 * amount by which it decreases.
 */
function backward(g: Graph, model: Model) {
  const { sizes, tasks } = model;
  const names = trainingNames;
  const inverseRows = g.input(names.inverseRows, [1, 1]);
  const phase = trainingPhase(g, inverseRows);
  const inputs = graphInputs(g, model, phase);

  const logits = model.logits(g, inputs);
  const loss = batchLoss(g, {
    logits,
    labels: g.input(names.labels, [ROWS, sizes.tasks]),
    logSampleRate: g.input(names.logSampleRate, [ROWS, 1]),
    inverseRows,
    lists: comparesLists(tasks) ? g.input(names.lists, [ROWS, 1]) : undefined,
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
    layout.ranges.map(({ size, blocks }, index) => {
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

/** Adds the update: the next state from the present state and the gradient of all weights. */
function update(
  g: Graph,
  gradient: Value,
  layout: WeightLayout,
  optimizer: DenseOptimizerOptions,
): Record<string, Value> {
  const names = trainingNames;
  const shape = matrixShape(layout);
  const rule = optimizerRule(optimizer.kind);
  const { gradientClipNorm } = optimizer;
  const weights = g.input(names.weights, shape);
  const { blocks, learnedBlocks } = layout;
  const learned = g.pad(g.slice(gradient, 0, 0, learnedBlocks), 0, 0, blocks - learnedBlocks);
  const gradientSquares = g.reduceSumSquare(learned, [0, 1]);
  const next = rule.update(g, {
    weights,
    gradient: gradientClipNorm === undefined
      ? learned
      : clipByGlobalNorm(g, learned, gradientSquares, gradientClipNorm),
    state: mapValues(rule.state(optimizer), (_first, name) => g.input(name, shape)),
    scalars: mapValues(rule.scalars(optimizer, 1, 1), (_value, name) => g.input(name, [1])),
  }, optimizer);
  const nextWeights = learnedBlocks === blocks
    ? next.weights
    // Statistics are not subject to the optimizer or to weight decay.
    : g.concat([
      g.slice(next.weights, 0, 0, learnedBlocks),
      g.slice(g.subtract(weights, gradient), 0, learnedBlocks, blocks),
    ], 0);
  return {
    [names.next(names.weights)]: nextWeights,
    ...Object.fromEntries(
      Object.entries(next.state).map(([name, value]) => [names.next(name), value]),
    ),
    [names.stepSquares]: g.reshape(
      g.add(gradientSquares, g.reduceSumSquare(nextWeights, [0, 1])),
      [1],
    ),
  };
}

function stateOf(optimizer: DenseOptimizerOptions): TrainingGraph["state"] {
  return {
    [trainingNames.weights]: undefined,
    ...optimizerRule(optimizer.kind).state(optimizer),
  };
}

const matrixShape = ({ blocks }: WeightLayout) => [blocks, BLOCK_WIDTH];

/** An input's pooled rows, `[rows, Σ dims]`, in a graph. */
export type PooledValue = (input: SparseInput) => Value;

/**
 * The graph inputs that a model reads.
 *
 * @param pooled Default: an input of the slice's name.
 */
export function graphInputs(
  g: Graph,
  model: Model,
  phase: Phase,
  pooled: PooledValue = (input) => g.input(input.slice, [ROWS, pooledWidth(input)]),
): GraphInputs {
  const { denseWidth } = model.sizes;
  const histories = model.historyInputs.map(({ name, lengthMax, dim }) => {
    const entries = g.input(name, [ROWS, lengthMax, dim]);
    const present = g.input(trainingNames.presentIn(name), [ROWS, lengthMax]);
    return [name, { entries, present }] as const;
  });
  return {
    sparse: Object.fromEntries(
      model.sparseInputs.map((input) => [input.slice, pooled(input)] as const),
    ),
    histories: Object.fromEntries(histories),
    dense: denseWidth > 0 ? g.input(trainingNames.dense, [ROWS, denseWidth]) : undefined,
    columns: columnsOf(model),
    dropout: phase.dropout,
    slotSum: phase.slotSum,
    squareSum: phase.squareSum,
    moments: phase.moments,
  };
}
