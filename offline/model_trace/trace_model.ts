/**
 * The model of a trace: its kind is named by the caller, its widths follow from the shapes of the
 * weights.
 */
import { createModel } from "../../kernels/dense/models/create_model.ts";
import type { Model } from "../../kernels/dense/models/model.ts";
import type { ModelKind, ModelOptions } from "../../kernels/dense/models/options.ts";
import { TraceError } from "./trace_error.ts";
import type { Trace } from "./trace.ts";
import { withOurNames } from "./weight_names.ts";

interface TraceShape {
  readonly options: ModelOptions;
  readonly tasks: number;
}

type Readers = { readonly [Kind in ModelKind]: (trace: Trace) => TraceShape };

const READERS: Readers = {
  logisticRegression: (trace) => ({
    options: { kind: "logisticRegression" },
    tasks: biasWidth(trace),
  }),
  factorizationMachine: (trace) => ({
    options: { kind: "factorizationMachine", embeddingDim: trace.dim },
    tasks: biasWidth(trace),
  }),
  wideAndDeep: (trace) => {
    const { hidden, last } = tower(trace, "w");
    return { options: { kind: "wideAndDeep", embeddingDim: trace.dim, hidden }, tasks: last };
  },
  deepFm: (trace) => {
    const { hidden, last } = tower(trace, "w");
    return { options: { kind: "deepFm", embeddingDim: trace.dim, hidden }, tasks: last };
  },
  dcnV2: (trace) => ({
    options: {
      kind: "dcnV2",
      embeddingDim: trace.dim,
      crossLayers: widths(trace, "cross_w").length,
      hidden: widths(trace, "w"),
    },
    tasks: trace.initial.out_w?.shape[1] ?? 1,
  }),
  finalNet: (trace) => ({
    options: { kind: "finalNet", embeddingDim: trace.dim, hidden: widths(trace, "w") },
    tasks: trace.initial.out_w?.shape[1] ?? 1,
  }),
  dlrm: (trace) => {
    const bottom = tower(trace, "bottom_w"), top = tower(trace, "top_w");
    return {
      options: {
        kind: "dlrm",
        embeddingDim: trace.dim,
        bottom: bottom.hidden,
        top: top.hidden,
      },
      tasks: top.last,
    };
  },
  mmoe: (trace) => ({
    options: {
      kind: "mmoe",
      embeddingDim: trace.dim,
      experts: trace.initial.gate_w0?.shape[1] ?? 0,
      expertHidden: widths(trace, "expert0_w"),
      towerHidden: tower(trace, "tower0_w").hidden,
    },
    tasks: widths(trace, "gate_w").length,
  }),
};

/** Other names of the models. */
const ALIASES: Readonly<Record<string, ModelKind>> = {
  lr: "logisticRegression",
  fm: "factorizationMachine",
  widedeep: "wideAndDeep",
  dcn: "dcnV2",
};

/** Names of weights here, of every model. */
const OUR_NAMES = /^(?:(?:cross_|bottom_|top_|out_|expert\d+_|tower\d+_|gate_)?[wb]\d*|bias)$/;

/** A model, and the trace with the model's names for its weights. */
export interface TraceModel {
  readonly model: Model;
  readonly trace: Trace;
  /** Assumptions made to match the names; a sentence each. */
  readonly assumptions: readonly string[];
}

/** @throws {CommandError} When the name is unknown or the trace lacks the model's weights. */
export function traceModel(recorded: Trace, name: string): TraceModel {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const kinds = Object.keys(READERS) as ModelKind[];
  const kind = kinds.find((known) => plain(known) === plain(name)) ?? ALIASES[plain(name)];
  if (kind === undefined) {
    throw new TraceError(`There is no model "${name}"; choose one of ${kinds.join(", ")}.`);
  }
  const { trace, renamed } = withOurNames(recorded, kind, OUR_NAMES);
  const { options, tasks } = READERS[kind](trace);
  const assumed = [...renamed].map(([theirs, ours]) => `"${theirs}" is ${ours}`).join(", ");
  return {
    model: createModel(options, { slots: trace.fields, denseWidth: trace.dense, tasks }),
    trace,
    assumptions: renamed.size === 0 ? [] : [`the weights are told by shape and order: ${assumed}`],
  };
}

/** Output widths of the layers `prefix0`, `prefix1`, … */
function widths(trace: Trace, prefix: string): number[] {
  const found: number[] = [];
  for (let layer = 0;; layer++) {
    const weight = trace.initial[`${prefix}${layer}`];
    if (weight === undefined) return found;
    found.push(weight.shape[1] ?? 1);
  }
}

function tower(trace: Trace, prefix: string): { hidden: number[]; last: number } {
  const all = widths(trace, prefix);
  const last = all.pop();
  if (last !== undefined) return { hidden: all, last };
  throw new TraceError(
    `The trace has no weights "${prefix}0"; it has ${Object.keys(trace.initial).join(", ")}.`,
  );
}

function biasWidth(trace: Trace): number {
  return trace.initial.bias?.data.length ?? 1;
}
