/**
 * Reads the optimizer's rates that a trace states, in fields (`"lr": 0.01`, at any depth) or in
 * prose ("Adagrad lr .05, accumulator .1"). Notations vary, so the rates are accepted only if they
 * explain the trace's own updates.
 */
import type { RateName, Rates } from "./rates.ts";
import type { Trace } from "./trace.ts";

export interface Stated {
  readonly rates: Rates;
  /** Stated features that no optimizer here has, in words. */
  readonly unknown: readonly string[];
}

/** Names that a field may have, without case, spaces and signs. */
const FIELDS: Readonly<Record<RateName, RegExp>> = {
  learningRate: /^(?:lr|learningrate|stepsize|eta|initiallr|initiallearningrate|baselr)$/,
  momentum: /^(?:momentum|mu|momentumcoefficient|momentumfactor)$/,
  nesterov: /^(?:use)?nesterov$/,
  beta1: /^(?:beta1|b1|β1)$/,
  beta2: /^(?:beta2|b2|β2)$/,
  epsilon: /^(?:eps|epsilon|ε)$/,
  initialAccumulator:
    /^(?:initial|init|initialvalueof)?(?:accumulator|acc|accum)(?:value|init|initial|start)?$/,
  weightDecay: /^(?:weightdecay|decay|wd|l2|l2penalty|l2regularization|lambda|λ)$/,
  gradientClipNorm:
    /^(?:(?:gradient|grad|global)?clip(?:ping|grad|gradient|global)?(?:norm)?|maxnorm|maxgradnorm)$/,
};

const UNKNOWN = /^(?:dampening|lrdecay|learningratedecay|amsgrad|clipvalue|centered|maximize)$/;

/** Words that a number may follow; found behind a sign that is no letter. */
const PROSE: Readonly<Record<Exclude<RateName, "nesterov">, readonly string[]>> = {
  learningRate: [
    "lr|learning[ -]?rate|step[ -]?size|eta|η|α|alpha",
    "adamw|adam|sgd|adagrad",
    "(?<!decay |dropout |sample )rate",
  ],
  momentum: ["momentum|heavy[ -]?ball|mu|μ|µ"],
  beta1: ["(?:beta|b|β) ?(?:1|₁)"],
  beta2: ["(?:beta|b|β) ?(?:2|₂)"],
  epsilon: ["eps(?:ilon)?|ε|ϵ"],
  initialAccumulator: [
    "(?:initial |init )?(?:accumulators?|accum|acc)(?: value)?|sum of squares|squared gradients?",
  ],
  weightDecay: ["weight[ -]?decay|(?<!lr |rate )decay|wd|l2|lambda|λ"],
  gradientClipNorm: [
    "clip(?:ped|ping|s)?(?: |-|by|to|at|with|of|max|global|gradients?|grads?|total|l2|the|a|norm)*|max[ -]?(?:grad )?norm",
  ],
};

const NUMBER = "([-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?)(?![\\d.]*\\d)";
/** Text allowed between a name and its number. */
const IS =
  "(?:[ =:~≈(\\[{*]|\\b(?:is|of|at|to|was|be|set|all|value|values|coefficients?|coeff|factor|" +
  "strength|penalty|regulari[sz]ation|reg|term|starts?|starting|begins?|initial|initiali[sz]ed|filled|equals?|about|" +
  "constant|fixed|parameter|from|with|rate)\\b)*";
const OFF = "(?:no|not|non|without|plain|zero|disabled?)";

/** All fields and texts of the trace except its tensors. */
export function statedRates(trace: Trace): Stated {
  const { inputs: _inputs, initial: _initial, steps: _steps, name: _name, ...said } = trace;
  const { batch: _batch, fields: _fields, dim: _dim, dense: _dense, ...about } = said;
  const rates: Partial<Record<RateName, number>> = {}, unknown: string[] = [], texts: string[] = [];

  const read = (value: unknown, key: string): void => {
    const field = key.toLowerCase().replaceAll(/[^a-z0-9βελ]/g, "");
    if (Array.isArray(value) && /^betas?$/.test(field)) {
      [rates.beta1, rates.beta2] = value.map(Number);
    } else if (value !== null && typeof value === "object") {
      for (const [name, inner] of Object.entries(value)) read(inner, name);
    } else if (UNKNOWN.test(field)) {
      if (Number(value) !== 0) unknown.push(`${key} ${value}`);
    } else {
      const rate = (Object.keys(FIELDS) as RateName[]).find((name) => FIELDS[name].test(field));
      const number = numberOf(value);
      if (rate !== undefined && number !== undefined) rates[rate] = number;
      else if (typeof value === "string") texts.push(value);
    }
  };
  for (const [key, value] of Object.entries(about)) read(value, key);

  for (const text of texts.map(plain)) {
    for (const [rate, value] of Object.entries(ratesInProse(text)) as [RateName, number][]) {
      rates[rate] ??= value;
    }
    const beyond = text.matchAll(
      new RegExp(
        `(dampening|lr decay|amsgrad|clip(?:ped|ping)? (?:by )?value)${IS}(${NUMBER}|true)`,
        "g",
      ),
    );
    for (const [, word, value] of beyond) {
      if (Number(value) !== 0) unknown.push(`${word} ${value}`);
    }
  }
  return { rates, unknown };
}

function ratesInProse(text: string): Rates {
  const rates: Partial<Record<RateName, number | undefined>> = {};
  const find = (pattern: string) =>
    new RegExp(`(?<![a-zα-ω])${pattern}`).exec(text)?.slice(1).map(Number);
  for (const name of Object.keys(PROSE) as (keyof typeof PROSE)[]) {
    for (const words of PROSE[name]) {
      rates[name] ??= find(`(?:${words})${IS}${NUMBER}`)?.[0];
    }
  }
  // "betas (0.9, 0.999)", "beta .9/.999", "β1, β2 = 0.9, 0.999", "beta1 = beta2 = 0.9"
  const one = "(?:beta|b|β) ?(?:1|₁)", two = "(?:beta|b|β) ?(?:2|₂)", and = "(?: |,|/|;|&|and)+";
  const pair = find(
    `(?:(?:betas?|β|βs)(?! ?[12₁₂](?![\\d.]))|${one}${and}${two}\\)?)${IS}${NUMBER}${and}${NUMBER}`,
  );
  if (pair !== undefined) [rates.beta1, rates.beta2] = pair;
  const same = find(`${one} ?= ?${two}${IS}${NUMBER}`);
  if (same !== undefined) rates.beta1 = rates.beta2 = same[0];

  rates.momentum ??= find(`${NUMBER} (?:heavy[ -]?ball )?momentum`)?.[0];
  if (new RegExp(`\\b${OFF} (?:decoupled )?(?:weight )?decay`).test(text)) rates.weightDecay ??= 0;
  if (/nesterov/.test(text)) {
    const off = new RegExp(
      `\\b${OFF}[ -]*(?:a |the |using |use |with )*nesterov|nesterov(?: momentum)?${IS}(?:false|off|no\\b|not|none|disabled|unused|0(?!\\.))`,
    );
    rates.nesterov = off.test(text) ? 0 : 1;
  }
  return Object.fromEntries(
    Object.entries(rates).filter(([, value]) => value !== undefined),
  ) as Rates;
}

/** Lower case, one kind of minus, quotes and underscores away, powers of ten as exponents. */
function plain(text: string): string {
  return text.toLowerCase()
    .replaceAll(/[−–—](?=\d)/g, "-")
    .replaceAll(
      /[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g,
      (power) =>
        `^${[...power].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(sign) - 1).join("").replace("-1", "-")}`,
    )
    .replaceAll(/(\d\.?) ?(?:x|×|·|\*) ?10(?:\^|\*\*)?\(?(-?\d+)\)?/g, "$1e$2")
    .replaceAll(/(?<![\d.])10(?:\^|\*\*)\(?(-?\d+)\)?/g, "1e$1")
    .replaceAll(/["'`_\s]+/g, " ");
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "string" && /^(?:true|false)$/i.test(value)) {
    return Number(value.toLowerCase() === "true");
  }
  if (typeof value !== "number" && typeof value !== "string") return undefined;
  const number = Number(value);
  return value === "" || Number.isNaN(number) ? undefined : number;
}
