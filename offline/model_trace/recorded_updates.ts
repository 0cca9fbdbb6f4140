/**
 * A trace's own updates: its recorded gradients and the weights after them. They determine the
 * optimizer's rates, independent of the model and of the trace's description.
 */
import { evaluate } from "../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../kernels/dense/graph/graph.ts";
import type { DenseOptimizerKind } from "../../kernels/dense/optimizers/options.ts";
import { optimizerRule } from "../../kernels/dense/optimizers/rules.ts";
import { optimizerOptions, type Rates } from "./rates.ts";
import type { Trace } from "./trace.ts";

/**
 * Tolerance relative to a tensor's largest weight: rounding of float32, and of numbers written with
 * few digits.
 */
const WEIGHT_TOLERANCE = 2e-6;
/** Tolerance relative to a tensor's largest change. */
const CHANGE_TOLERANCE = 1e-4;

/** One step of some weights. */
interface Update {
  readonly before: Float64Array;
  readonly gradient: Float64Array;
  readonly after: Float64Array;
  /** Tolerated distance of a prediction from `after`. */
  readonly tolerance: Float64Array;
  /** Norm of the whole gradient. */
  readonly norm: number;
}

export class RecordedUpdates {
  readonly #updates: readonly Update[];

  private constructor(updates: readonly Update[]) {
    this.#updates = updates;
  }

  /**
   * The updates of all weights, or of about `sample` of them, some of each tensor.
   *
   * @returns undefined where a step lacks gradients.
   */
  static of({ initial, steps }: Trace, sample = Infinity): RecordedUpdates | undefined {
    const names = Object.keys(initial);
    const perTensor = Math.ceil(sample / names.length);
    const updates: Update[] = [];
    for (const [index, { grads, params_after: after }] of steps.entries()) {
      if (grads === undefined) return undefined;
      const before = index === 0 ? initial : steps[index - 1].params_after;
      const rows: number[][] = [];
      let squares = 0;
      for (const name of names) {
        const w = before[name].data, g = grads[name].data, next = after[name].data;
        const largest = next.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        const change = next.reduce((max, value, i) => Math.max(max, Math.abs(value - w[i])), 0);
        const tolerance = WEIGHT_TOLERANCE * largest + CHANGE_TOLERANCE * change;
        for (const value of g) squares += value * value;
        const stride = Math.max(1, w.length / perTensor);
        for (let at = 0; at < w.length; at += stride) {
          const i = Math.floor(at);
          rows.push([w[i], g[i], next[i], Math.max(tolerance, Number.MIN_VALUE)]);
        }
      }
      const column = (k: number) => Float64Array.from(rows, (row) => row[k]);
      updates.push({
        before: column(0),
        gradient: column(1),
        after: column(2),
        tolerance: column(3),
        norm: Math.sqrt(squares),
      });
    }
    return new RecordedUpdates(updates);
  }

  get smallestNorm(): number {
    return Math.min(...this.#updates.map(({ norm }) => norm));
  }

  get largestNorm(): number {
    return Math.max(...this.#updates.map(({ norm }) => norm));
  }

  /**
   * Errors of the updates that `rates` predict, per weight, divided by the tolerance. Each step
   * begins at the recorded weights, so that nothing adds up.
   */
  residuals(kind: DenseOptimizerKind, rates: Rates): Float64Array {
    const options = optimizerOptions(kind, rates);
    const rule = optimizerRule(kind);
    const size = this.#updates[0].before.length;
    const g = new Graph();
    const first = rule.state(options);
    const { weights, state } = rule.update(g, {
      weights: g.input("weights", [size]),
      gradient: g.input("gradient", [size]),
      state: Object.fromEntries(Object.keys(first).map((name) => [name, g.input(name, [size])])),
      scalars: Object.fromEntries(
        Object.keys(rule.scalars(options, 1, 1)).map((name) => [name, g.input(name, [1])]),
      ),
    }, options);
    const vectors: Record<string, Float64Array> = {};
    for (const [name, value] of Object.entries(first)) {
      vectors[name] = new Float64Array(size).fill(value);
    }

    const found = new Float64Array(size * this.#updates.length);
    for (const [index, { before, gradient, after, tolerance, norm }] of this.#updates.entries()) {
      const { gradientClipNorm = Infinity } = options;
      const clip = Math.min(1, gradientClipNorm / norm);
      const scalars = Object.entries(rule.scalars(options, options.learningRate, index + 1));
      const [next, ...nextState] = evaluate([weights, ...Object.values(state)], {
        weights: before,
        gradient: gradient.map((value) => value * clip),
        ...vectors,
        ...Object.fromEntries(scalars.map(([name, value]) => [name, [value]])),
      });
      for (const [k, name] of Object.keys(state).entries()) vectors[name] = nextState[k].data;
      for (let i = 0; i < size; i++) {
        found[index * size + i] = (next.data[i] - after[i]) / tolerance[i];
      }
    }
    return found;
  }

  /** The largest residual; up to 1 the rates explain the updates. */
  distance(kind: DenseOptimizerKind, rates: Rates): number {
    return this.residuals(kind, rates).reduce(
      (max, value) => Math.max(max, Number.isNaN(value) ? Infinity : Math.abs(value)),
      0,
    );
  }
}
