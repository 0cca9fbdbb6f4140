/**
 * The table of optimizers: update rules, as graphs, over one matrix of all weights.
 *
 * The host computes the numbers that depend on the step (bias corrections, schedules) and feeds
 * them as scalars, so one compiled graph serves every step. Where papers leave a choice, the rules
 * follow PyTorch.
 */
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";
import type { DenseOptimizerKind, OptionsOf } from "./options.ts";

/** One step's operands; all have the shape of the matrix, except the scalars. */
export interface UpdateInputs {
  readonly weights: Value;
  readonly gradient: Value;
  /** By the names that `OptimizerRule.state` gives. */
  readonly state: Readonly<Record<string, Value>>;
  /** By the names that `OptimizerRule.scalars` gives. Shape `[1]` each. */
  readonly scalars: Readonly<Record<string, Value>>;
}

export interface UpdateOutputs {
  readonly weights: Value;
  readonly state: Readonly<Record<string, Value>>;
}

export interface OptimizerRule<Options> {
  /** First values of the matrices that the rule keeps in addition to the weights. */
  state(options: Options): Readonly<Record<string, number>>;
  /** Scalars of step `t` (the first is 1) at learning rate `lr`. */
  scalars(options: Options, lr: number, t: number): Readonly<Record<string, number>>;
  update(g: Graph, inputs: UpdateInputs, options: Options): UpdateOutputs;
}

type OptimizerRules = {
  readonly [Kind in DenseOptimizerKind]: OptimizerRule<OptionsOf<Kind>>;
};

export const optimizerRules: OptimizerRules = {
  /** w ← w - lr · g. Robbins and Monro, "A Stochastic Approximation Method", 1951. */
  sgd: {
    state: () => ({}),
    scalars: (_options, learning_rate) => ({ learning_rate }),
    update: (g, { weights, gradient, scalars }, { weightDecay = 0 }) => ({
      weights: descend(g, weights, decayed(g, gradient, weights, weightDecay), scalars),
      state: {},
    }),
  },

  /**
   * v ← μ · v + g, w ← w - lr · v (Nesterov: g + μ · v).
   *
   * @see Sutskever et al., "On the importance of initialization and momentum in deep learning",
   *   ICML 2013
   */
  momentum: {
    state: () => ({ velocity: 0 }),
    scalars: (_options, learning_rate) => ({ learning_rate }),
    update: (g, inputs, { momentum, nesterov = false, weightDecay = 0 }) => {
      const gradient = decayed(g, inputs.gradient, inputs.weights, weightDecay);
      const velocity = g.add(g.scale(inputs.state.velocity, momentum), gradient);
      const direction = nesterov ? g.add(gradient, g.scale(velocity, momentum)) : velocity;
      return {
        weights: descend(g, inputs.weights, direction, inputs.scalars),
        state: { velocity },
      };
    },
  },

  /**
   * a ← a + g², w ← w - lr · g / (√a + ε).
   *
   * @see Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
   *   Optimization", JMLR 2011
   */
  adagrad: {
    state: ({ initialAccumulator = 0.1 }) => ({ accumulator: initialAccumulator }),
    scalars: (_options, learning_rate) => ({ learning_rate }),
    update: (g, inputs, { epsilon = 1e-10, weightDecay = 0 }) => {
      const gradient = decayed(g, inputs.gradient, inputs.weights, weightDecay);
      const accumulator = g.add(inputs.state.accumulator, g.square(gradient));
      const scaled = g.divide(gradient, g.shift(g.squareRoot(accumulator), epsilon));
      return {
        weights: descend(g, inputs.weights, scaled, inputs.scalars),
        state: { accumulator },
      };
    },
  },

  /** Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015. */
  adam: {
    state: () => ({ first_moment: 0, second_moment: 0 }),
    scalars: adamScalars,
    update: (g, inputs, options) => {
      const { weightDecay = 0 } = options;
      const gradient = decayed(g, inputs.gradient, inputs.weights, weightDecay);
      return adamUpdate(g, { ...inputs, gradient }, options);
    },
  },

  /**
   * Adam whose decay acts on the weights, not on the gradient.
   *
   * @see Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019
   */
  adamW: {
    state: () => ({ first_moment: 0, second_moment: 0 }),
    scalars: (options, lr, t) => ({
      ...adamScalars(options, lr, t),
      kept_weight: 1 - lr * (options.weightDecay ?? 0.01),
    }),
    update: (g, inputs, options) => {
      const weights = g.multiply(inputs.weights, inputs.scalars.kept_weight);
      return adamUpdate(g, { ...inputs, weights }, options);
    },
  },
};

/** The rule of a kind that is known only at run time. */
export function optimizerRule(kind: DenseOptimizerKind): OptimizerRule<{ readonly kind: string }> {
  return optimizerRules[kind] as OptimizerRule<{ readonly kind: string }>;
}

interface Moments {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

function adamScalars({ beta1 = 0.9, beta2 = 0.999 }: Moments, lr: number, t: number) {
  return {
    step_size: lr / (1 - beta1 ** t),
    root_correction: 1 / Math.sqrt(1 - beta2 ** t),
  };
}

/** m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², w ← w - lr/(1-β₁ᵗ) · m / (√v / √(1-β₂ᵗ) + ε). */
function adamUpdate(g: Graph, inputs: UpdateInputs, options: Moments): UpdateOutputs {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weights, gradient, state, scalars } = inputs;
  const m = g.add(g.scale(state.first_moment, beta1), g.scale(gradient, 1 - beta1));
  const v = g.add(g.scale(state.second_moment, beta2), g.scale(g.square(gradient), 1 - beta2));
  const root = g.multiply(g.squareRoot(v), scalars.root_correction);
  const change = g.divide(g.multiply(m, scalars.step_size), g.shift(root, epsilon));
  return { weights: g.subtract(weights, change), state: { first_moment: m, second_moment: v } };
}

function descend(g: Graph, weights: Value, direction: Value, scalars: UpdateInputs["scalars"]) {
  return g.subtract(weights, g.multiply(direction, scalars.learning_rate));
}

/** L2 regularisation: adds the gradient of `decay / 2 · |w|²`. */
function decayed(g: Graph, gradient: Value, weights: Value, decay: number): Value {
  return decay === 0 ? gradient : g.add(gradient, g.scale(weights, decay));
}
