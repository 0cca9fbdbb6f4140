/** Optimizers and initializers encoded as words; the Rust crate decodes them. */
import type { InitializerOptions, SparseOptimizerOptions } from "./options.ts";

/** `[rule, learning rate, weight decay, clip, …up to four parameters]`. */
export const OPTIMIZER_WORDS = 8;

type Kind = SparseOptimizerOptions["kind"];
type Encoders = {
  readonly [K in Kind]: (
    options: Extract<SparseOptimizerOptions, { kind: K }>,
  ) => readonly [code: number, ...parameters: number[]];
};

const RULES: Encoders = {
  sgd: () => [0],
  momentum: (o) => [1, o.momentum, Number(o.nesterov ?? false)],
  adagrad: (o) => [2, o.initialAccumulator],
  rowwiseAdagrad: (o) => [3, o.initialAccumulator],
  adadelta: (o) => [4, o.averagingRatio, o.epsilon],
  adam: (o) => [5, o.beta1, o.beta2, o.epsilon, Number(o.amsgrad ?? false)],
  rmsprop: (o) => [6, o.momentum, o.version],
  ftrl: (o) => [7, o.beta, o.initialAccumulator, o.l1, o.l2],
  groupAdagrad: (o) => [8, o.beta, o.initialAccumulator, o.l2],
};

/** Shape `[OPTIMIZER_WORDS]`. */
export function encodeOptimizer(options: SparseOptimizerOptions): Float32Array<ArrayBuffer> {
  const encode = RULES[options.kind] as (options: SparseOptimizerOptions) => readonly number[];
  const [rule, ...parameters] = encode(options);
  const { learningRate, weightDecay = 0, gradientClip = Infinity } = options;
  const words = new Float32Array(OPTIMIZER_WORDS);
  words.set([rule, learningRate, weightDecay, gradientClip, ...parameters]);
  return words;
}

/** `[kind, first parameter, second parameter]`. */
export function encodeInitializer(options: InitializerOptions): Float32Array<ArrayBuffer> {
  switch (options.kind) {
    case "zeros":
      return Float32Array.of(0, 0, 0);
    case "constant":
      return Float32Array.of(1, options.value, 0);
    case "uniform":
      return Float32Array.of(2, options.low, options.high);
    case "normal":
      return Float32Array.of(3, options.mean, options.stddev);
  }
}
