/**
 * The rates of each kind of optimizer, with their defaults and the starting points of a fit.
 */
import type {
  DenseOptimizerKind,
  DenseOptimizerOptions,
} from "../../kernels/dense/optimizers/options.ts";

/**
 * In the words of the configuration; `nesterov` is 0 or 1, and a clip norm of Infinity clips
 * nothing.
 */
export type RateName =
  | "learningRate"
  | "momentum"
  | "nesterov"
  | "beta1"
  | "beta2"
  | "epsilon"
  | "initialAccumulator"
  | "weightDecay"
  | "gradientClipNorm";

export type Rates = Readonly<Partial<Record<RateName, number>>>;

const COMMON = { weightDecay: 0, gradientClipNorm: Infinity };
const ADAM = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ...COMMON };

/** PyTorch's, but for momentum: its 0 would be plain descent. */
export const DEFAULT_RATES: { readonly [Kind in DenseOptimizerKind]: Rates } = {
  sgd: { learningRate: 1e-3, ...COMMON },
  momentum: { learningRate: 1e-3, momentum: 0.9, nesterov: 0, ...COMMON },
  adagrad: { learningRate: 1e-2, initialAccumulator: 0, epsilon: 1e-10, ...COMMON },
  adam: ADAM,
  adamW: { ...ADAM, weightDecay: 0.01 },
};

/** The update of a weight w by a gradient g, in words, for error messages. */
export const FORMULAS: { readonly [Kind in DenseOptimizerKind]: string } = {
  sgd: "w - lr · g",
  momentum: "v = momentum · v + g, w - lr · v (Nesterov: g + momentum · v instead of v)",
  adagrad: "a = a + g², w - lr · g / (√a + epsilon)",
  adam: "w - lr · m / (√v + epsilon), both moments corrected for their bias before",
  adamW:
    "w - lr · decay · w - lr · m / (√v + epsilon), both moments corrected for their bias before",
};

/** The rates as options of a training session. */
export function optimizerOptions(kind: DenseOptimizerKind, rates: Rates): DenseOptimizerOptions {
  const { nesterov, gradientClipNorm = Infinity, ...others } = rates;
  return {
    kind,
    ...others,
    ...(nesterov !== undefined && { nesterov: nesterov === 1 }),
    ...(gradientClipNorm !== Infinity && { gradientClipNorm }),
  } as DenseOptimizerOptions;
}

/** A rate as a free number for a fit, and back. */
export interface Scale {
  readonly from: (rate: number) => number;
  readonly to: (unknown: number) => number;
  /** Starting point of the fit. */
  readonly starts: readonly number[];
}

const above0 = (...starts: number[]): Scale => ({ from: Math.log, to: Math.exp, starts });
const below1 = (...starts: number[]): Scale => ({
  from: (rate) => Math.log(rate / (1 - rate)),
  to: (unknown) => 1 / (1 + Math.exp(-unknown)),
  starts,
});

/** Fit parameters of the continuous rates. */
export const SCALES: { readonly [Name in Exclude<RateName, "nesterov">]: Scale } = {
  learningRate: above0(1e-2, 1),
  momentum: below1(0.9, 0.5),
  beta1: below1(0.9, 0.5),
  beta2: below1(0.999, 0.9),
  epsilon: above0(1e-3, 1e-6),
  initialAccumulator: above0(0.1, 1e-3),
  weightDecay: above0(1e-2, 0.5),
  // Times the smallest norm among the gradients.
  gradientClipNorm: above0(0.7, 1.2),
};
