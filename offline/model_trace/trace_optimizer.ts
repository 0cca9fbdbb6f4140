/**
 * The optimizer of a trace: its kind is named by the caller, its rates are those that the trace
 * states, else PyTorch's defaults. Where these do not explain the trace's own updates, as few of
 * them as possible are replaced by ones that do, unstated ones first.
 */
import type {
  DenseOptimizerKind,
  DenseOptimizerOptions,
} from "../../kernels/dense/optimizers/options.ts";
import { TraceError } from "./trace_error.ts";
import { leastSquares } from "./least_squares.ts";
import {
  DEFAULT_RATES,
  FORMULAS,
  optimizerOptions,
  type RateName,
  type Rates,
  SCALES,
} from "./rates.ts";
import { RecordedUpdates } from "./recorded_updates.ts";
import { statedRates } from "./stated_rates.ts";
import type { Trace } from "./trace.ts";
import { present } from "../../structures/invariant.ts";

export interface TraceOptimizer {
  readonly options: DenseOptimizerOptions;
  /** Assumptions that the trace does not state or contradicts; a sentence each. */
  readonly assumptions: readonly string[];
  /** Whether the rates explain the trace's own updates; undefined where it has no gradients. */
  readonly explained: boolean | undefined;
}

const KINDS = Object.keys(DEFAULT_RATES) as DenseOptimizerKind[];

/** Number of weights used for fitting; the result is checked on all weights. */
const SAMPLE = 400;
/** Most rates fitted at once. */
const FREE_MAX = 4;

/** @throws {CommandError} When the name is unknown. */
export function traceOptimizer(trace: Trace, name: string): TraceOptimizer {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, "");
  const kind = KINDS.find((known) => known.toLowerCase() === plain(name));
  if (kind === undefined) {
    throw new TraceError(`There is no optimizer "${name}"; choose one of ${KINDS.join(", ")}.`);
  }
  const defaults = DEFAULT_RATES[kind];
  const { rates: found, unknown } = statedRates(trace);
  const stated: Rates = Object.fromEntries(
    Object.entries(found).filter(([rate, value]) => rate in defaults && inRange(rate, value)),
  );
  const assumptions = unknown.map((what) => `the trace states ${what}, which ${kind} has not here`);
  for (const [rate, value] of Object.entries(found)) {
    if (!inRange(rate, value)) assumptions.push(`a ${words(rate)} cannot be ${value}, as was read`);
  }
  const rates = { ...defaults, ...stated };

  const all = RecordedUpdates.of(trace);
  const fitted = all === undefined || all.distance(kind, rates) <= 1
    ? {}
    : fit({ trace, kind, rates, stated, all });
  for (const [rate, value] of Object.entries(defaults) as [RateName, number][]) {
    const said = stated[rate], explaining = fitted?.[rate];
    if (explaining !== undefined) {
      assumptions.push(
        said === undefined
          ? `${words(rate)} ${explaining}, which explains the trace's updates; it states none`
          : `${
            words(rate)
          } ${explaining}, which explains the trace's updates; the stated ${said} does not`,
      );
    } else if (said === undefined && rate !== "gradientClipNorm") {
      assumptions.push(`${words(rate)} ${value}, the default; the trace states none`);
    }
  }
  if (all === undefined) {
    assumptions.push("the rates could not be checked: the trace has no gradients of the weights");
  } else if (fitted === undefined) {
    assumptions.push(
      `no rates of ${kind} explain how the trace's own gradients moved its weights: its optimizer is another one, or ` +
        `does something that this one cannot, which takes ${FORMULAS[kind]}`,
    );
  }
  return {
    options: optimizerOptions(kind, { ...rates, ...fitted }),
    assumptions,
    explained: all && fitted !== undefined,
  };
}

/** Rates to replace so that the updates are explained, or undefined when none do. */
function fit({ trace, kind, rates, stated, all }: {
  readonly trace: Trace;
  readonly kind: DenseOptimizerKind;
  readonly rates: Rates;
  readonly stated: Rates;
  /** The updates that the rates must explain. */
  readonly all: RecordedUpdates;
}): Rates | undefined {
  const sample = present(
    RecordedUpdates.of(trace, SAMPLE),
    "a trace with updates has a sample of them",
  );
  const explains = (changed: Rates) => all.distance(kind, { ...rates, ...changed }) <= 1;
  for (const { nesterov, free } of candidates(rates, stated)) {
    const fixed = nesterov === undefined ? {} : { nesterov };
    for (const start of [0, 1]) {
      const starting = free.map((name) => {
        const unit = name === "gradientClipNorm" ? all.smallestNorm : 1;
        return SCALES[name].from(SCALES[name].starts[start] * unit);
      });
      const at = (unknowns: readonly number[]): Rates => ({
        ...fixed,
        ...Object.fromEntries(free.map((name, i) => [name, SCALES[name].to(unknowns[i])])),
      });
      const unknowns = leastSquares(
        (unknowns) => sample.residuals(kind, { ...rates, ...at(unknowns) }),
        starting,
      );
      const found = at(unknowns);
      if (explains(found)) return fewestDigits(found, explains);
    }
  }
  return undefined;
}

type Continuous = keyof typeof SCALES;

/** Sets of rates to fit, ordered by how few stated rates they contradict, then by size. */
function candidates(
  rates: Rates,
  stated: Rates,
): { readonly nesterov: number | undefined; readonly free: readonly Continuous[] }[] {
  const names = (Object.keys(rates) as RateName[]).filter((name) => name !== "nesterov");
  let subsets: Continuous[][] = [[]];
  for (const name of names) subsets = [...subsets, ...subsets.map((some) => [...some, name])];
  const flipped = rates.nesterov === undefined ? [] : [1 - rates.nesterov];
  const surprise = (free: readonly Continuous[], nesterov: number | undefined) => {
    const changed: RateName[] = nesterov === undefined ? [...free] : [...free, "nesterov"];
    return 10 * changed.filter((name) => stated[name] !== undefined).length + changed.length;
  };
  return [undefined, ...flipped]
    .flatMap((nesterov) => subsets.map((free) => ({ nesterov, free })))
    .filter(({ free }) => free.length <= FREE_MAX)
    .sort((a, b) => surprise(a.free, a.nesterov) - surprise(b.free, b.nesterov));
}

/** The rates rounded to as few digits as still explain the updates. */
function fewestDigits(rates: Rates, explains: (rates: Rates) => boolean): Rates {
  let short = rates;
  for (const [name, rate] of Object.entries(rates) as [RateName, number][]) {
    for (let digits = 1; digits <= 7; digits++) {
      const rounded = Number(rate.toPrecision(digits));
      const candidate = { ...short, [name]: rounded };
      if (!inRange(name, rounded) || !explains(candidate)) continue;
      short = candidate;
      break;
    }
  }
  return short;
}

type Range = (value: number) => boolean;

const isShare: Range = (value) => value >= 0 && value < 1;
const isPositive: Range = (value) => value > 0;
const isNonNegative: Range = (value) => value >= 0 && Number.isFinite(value);

/** The valid range of each rate. */
const RANGES: { readonly [Rate in RateName]: Range } = {
  momentum: isShare,
  beta1: isShare,
  beta2: isShare,
  learningRate: isPositive,
  gradientClipNorm: isPositive,
  nesterov: (value) => value === 0 || value === 1,
  epsilon: isNonNegative,
  initialAccumulator: isNonNegative,
  weightDecay: isNonNegative,
};

const inRange = (rate: string, value: number) => RANGES[rate as RateName](value);

const words = (rate: string) => rate.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
