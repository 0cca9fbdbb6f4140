/**
 * The optimizer of a trace: its kind is named by the caller; rates are read from what the trace says about itself
 * ("Adagrad lr .05, accumulator .1"), and a rate that it does not state is the one that explains its first step.
 */
import type {
  DenseOptimizerKind,
  DenseOptimizerOptions,
} from "../../kernels/dense/optimizers/options.ts";
import { usageError } from "../errors.ts";
import type { Trace } from "./trace.ts";

export interface TraceOptimizer {
  readonly options: DenseOptimizerOptions;
  /** Rates that the trace did not state and that were fitted to its first step. */
  readonly fitted: readonly string[];
}

const KINDS: readonly DenseOptimizerKind[] = ["sgd", "momentum", "adagrad", "adam", "adamW"];

/** @throws {CommandError} When the name is unknown, or a rate is neither stated nor to be fitted. */
export function traceOptimizer(trace: Trace, name: string): TraceOptimizer {
  const kind = KINDS.find((known) => known.toLowerCase() === name.toLowerCase());
  if (kind === undefined) {
    throw usageError(`There is no optimizer "${name}"; choose one of ${KINDS.join(", ")}.`);
  }
  const stated = statedRates(trace);
  const fit = fittedRates(trace, kind, stated);
  const learningRate = stated.learningRate ?? fit?.learningRate;
  if (learningRate === undefined) {
    throw usageError(
      `The trace "${trace.name}" states no learning rate and has no gradients to find it by; add "lr …" to its note.`,
    );
  }
  const fitted = stated.learningRate === undefined ? [`learning rate ${learningRate}`] : [];
  const decay = stated.weightDecay;
  const moments = {
    ...(stated.beta1 !== undefined && { beta1: stated.beta1 }),
    ...(stated.beta2 !== undefined && { beta2: stated.beta2 }),
    ...(stated.epsilon !== undefined && { epsilon: stated.epsilon }),
  };
  const l2 = decay !== undefined && { weightDecay: decay };
  switch (kind) {
    case "sgd":
      return { options: { kind, learningRate, ...l2 }, fitted };
    case "momentum": {
      const momentum = stated.momentum ?? 0.9;
      return {
        options: { kind, learningRate, momentum, nesterov: stated.nesterov, ...l2 },
        fitted,
      };
    }
    case "adagrad":
      return {
        options: {
          kind,
          learningRate,
          initialAccumulator: stated.accumulator ?? 0,
          ...(stated.epsilon !== undefined && { epsilon: stated.epsilon }),
          ...l2,
        },
        fitted,
      };
    case "adam":
      return { options: { kind, learningRate, ...moments, ...l2 }, fitted };
    case "adamW": {
      const weightDecay = decay ?? fit?.weightDecay ?? 0.01;
      if (decay === undefined) fitted.push(`weight decay ${weightDecay}`);
      return { options: { kind, learningRate, ...moments, weightDecay }, fitted };
    }
    default:
      return kind satisfies never;
  }
}

const NUMBER = "([-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?)";
const IS = "[\\s=:(\\[]*(?:of |is )?";

/** Rates in the trace's own words: its note, and any other field that is not a tensor. */
function statedRates(trace: Trace) {
  const { inputs: _inputs, initial: _initial, steps: _steps, ...said } = trace;
  const text = JSON.stringify(said).toLowerCase().replaceAll(/["{}]|_/g, " ");
  const find = (words: string) => {
    const match = new RegExp(`(?:^|[^a-z])(?:${words})${IS}${NUMBER}`).exec(text);
    return match === null ? undefined : Number(match[1]);
  };
  const betas = new RegExp(`betas?${IS}${NUMBER}[\\s,/;]+(?:and )?${NUMBER}`).exec(text);
  return {
    learningRate: find("lr|learning[ -]?rate|step size"),
    momentum: find("momentum|mu|μ"),
    nesterov: /nesterov/.test(text) &&
      !/nesterov\W*(?:false|no)|(?:no|without) nesterov/.test(text),
    accumulator: find("initial accumulator(?: value)?|accumulator(?: value)?"),
    epsilon: find("eps|epsilon"),
    weightDecay: find("weight[ -]?decay|decay|wd"),
    beta1: betas === null ? find("beta ?1|b1|β1|β₁") : Number(betas[1]),
    beta2: betas === null ? find("beta ?2|b2|β2|β₂") : Number(betas[2]),
  };
}

/**
 * Learning rate and decay by least squares over the first step's changes: `Δw = -lr · direction(g) - lr · decay · w`,
 * the second term for AdamW only.
 */
function fittedRates(
  trace: Trace,
  kind: DenseOptimizerKind,
  stated: { readonly accumulator: number | undefined; readonly epsilon: number | undefined },
): { learningRate: number; weightDecay: number } | undefined {
  const [{ grads, params_after: after }] = trace.steps;
  if (grads === undefined) return undefined;
  let dd = 0, dw = 0, ww = 0, dDelta = 0, wDelta = 0;
  for (const [name, { data: gradient }] of Object.entries(grads)) {
    gradient.forEach((g, i) => {
      const w = trace.initial[name].data[i], delta = after[name].data[i] - w;
      const d = firstDirection(kind, g, stated.accumulator ?? 0, stated.epsilon);
      dd += d * d;
      dw += d * w;
      ww += w * w;
      dDelta += d * delta;
      wDelta += w * delta;
    });
  }
  const round = (value: number) => Number(value.toPrecision(3));
  if (kind !== "adamW") return { learningRate: round(-dDelta / dd), weightDecay: 0 };
  const determinant = dd * ww - dw * dw;
  const learningRate = -(dDelta * ww - wDelta * dw) / determinant;
  const decayTimesRate = -(wDelta * dd - dDelta * dw) / determinant;
  return { learningRate: round(learningRate), weightDecay: round(decayTimesRate / learningRate) };
}

/** The direction of an optimizer's first step at gradient `g`. */
function firstDirection(
  kind: DenseOptimizerKind,
  g: number,
  accumulator: number,
  epsilon: number | undefined,
): number {
  switch (kind) {
    case "sgd":
    case "momentum":
      return g;
    case "adagrad":
      return g === 0 ? 0 : g / (Math.sqrt(accumulator + g * g) + (epsilon ?? 1e-10));
    case "adam":
    case "adamW":
      return g / (Math.abs(g) + (epsilon ?? 1e-8));
    default:
      return kind satisfies never;
  }
}
