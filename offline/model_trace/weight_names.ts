/**
 * Maps a trace's names of weights to this project's. Papers and traces use different names; where a
 * name is unknown, the matrix is identified by its shape and order: the layers of a tower follow
 * one another, crosses are square, the last layer has a column per task.
 */
import type { ModelKind } from "../../kernels/dense/models/options.ts";
import type { Trace, TraceTensors } from "./trace.ts";
import { present } from "../../structures/invariant.ts";

export interface RenamedTrace {
  readonly trace: Trace;
  /**
   * Assumed mapping from the trace's names to ours; empty where they are the same or cannot be
   * found.
   */
  readonly renamed: ReadonlyMap<string, string>;
}

/** A weight matrix `[in, out]` and the bias of its layer, by the trace's names. */
interface Layer {
  readonly weight: string;
  readonly bias: string;
  readonly width: readonly [number, number];
}

/** Our prefix for each layer; undefined = it cannot be identified. */
type Reader = (trace: Trace, layers: readonly Layer[]) => (string | undefined)[];

const READERS: { readonly [Kind in ModelKind]?: Reader } = {
  dcnV2: ({ fields, dim, dense }, layers) => {
    const joined = fields * dim + dense;
    const square = layers.filter(({ width }) => width[0] === joined && width[1] === joined);
    const named = square.filter(({ weight }) => /^c|cross/i.test(weight));
    // A deep layer may be as wide as its input; then only a name tells it from a cross.
    const crosses = named.length > 0 ? named : square;
    const deep = layers.filter((layer) => !crosses.includes(layer)).slice(0, -1);
    return layers.map((layer, i) => {
      if (crosses.includes(layer)) return `cross_?${crosses.indexOf(layer)}`;
      if (deep.includes(layer)) return `?${deep.indexOf(layer)}`;
      return i === layers.length - 1 ? "out_?" : undefined;
    });
  },
  dlrm: ({ dim, dense }, layers) => {
    const bottomEnd = layers.findIndex(({ width }, i) =>
      width[1] === dim && layers[i + 1]?.width[0] !== dim
    );
    if (layers[0]?.width[0] !== dense || bottomEnd < 0) return [];
    return layers.map((_, i) => i <= bottomEnd ? `bottom_?${i}` : `top_?${i - bottomEnd - 1}`);
  },
};

/** The trace with its weights renamed to our names. */
export function withOurNames(trace: Trace, kind: ModelKind, ours: RegExp): RenamedTrace {
  const reader = READERS[kind];
  const names = Object.keys(trace.initial);
  const same = { trace, renamed: new Map<string, string>() };
  if (reader === undefined || names.every((name) => ours.test(name))) return same;
  const layers = layersOf(trace.initial);
  if (layers === undefined) return same;
  const patterns = reader(trace, layers);
  const renamed = new Map<string, string>();
  for (const [i, { weight, bias }] of layers.entries()) {
    const pattern = patterns[i];
    if (pattern === undefined) return same;
    renamed.set(weight, pattern.replace("?", "w"));
    renamed.set(bias, pattern.replace("?", "b"));
  }
  const rename = (tensors: TraceTensors) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        present(renamed.get(name), "every weight has a name of ours"),
        tensor,
      ]),
    ) as Trace["initial"];
  return {
    renamed,
    trace: {
      ...trace,
      initial: rename(trace.initial),
      steps: trace.steps.map((step) => ({
        ...step,
        params_after: rename(step.params_after),
        ...(step.grads !== undefined && { grads: rename(step.grads) }),
      })),
    },
  };
}

/**
 * Matrices in order, each with its bias: the vector of the same name, else the next vector that
 * fits.
 */
function layersOf(initial: TraceTensors): Layer[] | undefined {
  const names = Object.keys(initial);
  const isMatrix = (name: string) =>
    initial[name].shape.length === 2 && !/b(?:ias)?_?\d*$/i.test(name);
  const biases = new Set(names.filter((name) => !isMatrix(name)));
  const layers: Layer[] = [];
  for (const weight of names.filter(isMatrix)) {
    const [rows, columns] = initial[weight].shape;
    const fits = (name: string) => biases.has(name) && initial[name].data.length === columns;
    const twins = [
      weight.replace(/weight/i, "bias"),
      weight.replace(/kernel/i, "bias"),
      weight.replace(/w([^w]*)$/i, (_, rest) => `b${rest}`),
      weight.replace(/w/i, "b"),
    ];
    const after = names.slice(names.indexOf(weight) + 1);
    const bias = twins.find(fits) ?? after.find(fits);
    if (bias === undefined) return undefined;
    biases.delete(bias);
    layers.push({ weight, bias, width: [rows, columns] });
  }
  return biases.size === 0 ? layers : undefined;
}
