/**
 * The sparse optimizers in plain TypeScript, one weight at a time and one rounding an operation, as
 * oracles for the kernel's vectors. (A double holds any float32 sum, product, quotient or root
 * exactly enough that rounding it once more gives the float32 result.)
 */
import type { SparseOptimizerOptions } from "../../../kernels/embedding/options.ts";

const f = Math.fround;
const add = (a: number, b: number) => f(a + b);
const sub = (a: number, b: number) => f(a - b);
const mul = (a: number, b: number) => f(a * b);
const div = (a: number, b: number) => f(a / b);
const root = (a: number) => f(Math.sqrt(a));

/** Applies one step in place. */
export type Step = (weights: Float32Array, gradient: Float32Array) => void;

/** Element i goes to sum i mod 4; the sums join as (0 + 1) + (2 + 3). */
function sumOfSquares(values: ArrayLike<number>): number {
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) sums[i % 4] = add(sums[i % 4], mul(values[i], values[i]));
  return add(add(sums[0], sums[1]), add(sums[2], sums[3]));
}

/** The optimizer of one row of `dim` weights, with its state. */
export function optimizerOracle(options: SparseOptimizerOptions, dim: number): Step {
  const rate = f(options.learningRate);
  const decay = f(options.weightDecay ?? 0);
  const clip = f(options.gradientClip ?? Infinity);
  const rule = ruleOracle(options, rate, dim);
  return (weights, gradient) => {
    const prepared = gradient.map((g, i) =>
      add(Math.max(Math.min(g, clip), -clip), mul(decay, weights[i]))
    );
    rule(weights, prepared);
  };
}

function ruleOracle(options: SparseOptimizerOptions, rate: number, dim: number): Step {
  const floats = (first: number) => new Float32Array(dim).fill(first);
  switch (options.kind) {
    case "sgd":
      return (w, g) => w.forEach((_, i) => w[i] = sub(w[i], mul(rate, g[i])));
    case "momentum": {
      const velocity = floats(0);
      const m = f(options.momentum);
      return (w, g) =>
        w.forEach((_, i) => {
          velocity[i] = add(mul(m, velocity[i]), g[i]);
          const direction = options.nesterov ? add(g[i], mul(m, velocity[i])) : velocity[i];
          w[i] = sub(w[i], mul(rate, direction));
        });
    }
    case "adagrad": {
      const squares = floats(options.initialAccumulator);
      return (w, g) =>
        w.forEach((_, i) => {
          squares[i] = add(squares[i], mul(g[i], g[i]));
          if (squares[i] > 0) w[i] = sub(w[i], div(mul(rate, g[i]), root(squares[i])));
        });
    }
    case "rowwiseAdagrad": {
      let squares = f(options.initialAccumulator);
      return (w, g) => {
        squares = add(squares, div(sumOfSquares(g), dim));
        if (squares === 0) return;
        const factor = div(rate, root(squares));
        w.forEach((_, i) => w[i] = sub(w[i], mul(factor, g[i])));
      };
    }
    case "adadelta": {
      const squares = floats(0);
      const updates = floats(0);
      const keep = f(options.averagingRatio);
      const take = sub(1, keep);
      const epsilon = f(options.epsilon);
      return (w, g) =>
        w.forEach((_, i) => {
          squares[i] = add(mul(keep, squares[i]), mul(take, mul(g[i], g[i])));
          const ratio = div(root(add(updates[i], epsilon)), root(add(squares[i], epsilon)));
          const update = mul(ratio, g[i]);
          updates[i] = add(mul(keep, updates[i]), mul(take, mul(update, update)));
          w[i] = sub(w[i], mul(rate, update));
        });
    }
    case "adam": {
      const [first, second, greatest] = [floats(0), floats(0), floats(0)];
      const [beta1, beta2, epsilon] = [f(options.beta1), f(options.beta2), f(options.epsilon)];
      let [power1, power2] = [beta1, beta2];
      return (w, g) => {
        const corrected = div(mul(rate, root(sub(1, power2))), sub(1, power1));
        w.forEach((_, i) => {
          first[i] = add(first[i], mul(sub(g[i], first[i]), sub(1, beta1)));
          second[i] = add(second[i], mul(sub(mul(g[i], g[i]), second[i]), sub(1, beta2)));
          greatest[i] = Math.max(greatest[i], second[i]);
          const under = options.amsgrad ? greatest[i] : second[i];
          w[i] = sub(w[i], div(mul(corrected, first[i]), add(root(under), epsilon)));
        });
        [power1, power2] = [mul(power1, beta1), mul(power2, beta2)];
      };
    }
    case "rmsprop": {
      const squares = floats(0);
      const keep = f(options.momentum);
      const take = options.version === 1 ? sub(1, keep) : 1;
      return (w, g) =>
        w.forEach((_, i) => {
          squares[i] = add(mul(keep, squares[i]), mul(take, mul(g[i], g[i])));
          w[i] = sub(w[i], div(mul(rate, g[i]), add(root(squares[i]), 1)));
        });
    }
    case "ftrl": {
      const z = floats(0);
      const squares = floats(options.initialAccumulator);
      const [beta, l1, l2] = [f(options.beta), f(options.l1), f(options.l2)];
      return (w, g) =>
        w.forEach((_, i) => {
          const grown = add(squares[i], mul(g[i], g[i]));
          const sigma = div(sub(root(grown), root(squares[i])), rate);
          z[i] = add(z[i], sub(g[i], mul(sigma, w[i])));
          squares[i] = grown;
          const strength = add(div(add(beta, root(grown)), rate), l2);
          const shrunk = sub(z[i] < 0 ? -l1 : l1, z[i]);
          w[i] = Math.abs(z[i]) > l1 ? div(shrunk, strength) : 0;
        });
    }
    case "groupAdagrad": {
      let squares = f(options.initialAccumulator);
      const [beta, l2] = [f(options.beta), f(options.l2)];
      return (w, g) => {
        squares = add(squares, Math.max(0, ...g.map((value) => mul(value, value))));
        const denominator = add(beta, root(squares));
        if (denominator === 0) return;
        const eta = div(rate, denominator);
        w.forEach((_, i) => w[i] = sub(w[i], mul(eta, g[i])));
        const norm = root(sumOfSquares(w));
        const shrink = mul(eta, l2);
        const kept = norm > shrink ? sub(1, div(shrink, norm)) : 0;
        w.forEach((_, i) => w[i] = mul(w[i], kept));
      };
    }
  }
}
