/**
 * The serving graph: the model's function from inputs to logits, also as an ONNX file for other
 * tools.
 *
 * It has a second form for the rows of rankings, whose slots of user, context and time are the same
 * in all rows of a ranking: their part of the first layer and of the sums over slots is computed
 * once a ranking. Logits of both forms differ by rounding.
 */
import { Graph } from "./graph/graph.ts";
import { RANKINGS, ROWS } from "./graph/shape.ts";
import { joinColumns, sharedColumnsOf } from "./graph/shared_columns.ts";
import { topologicalOrder, type Value } from "./graph/value.ts";
import type { Model } from "./models/model.ts";
import { encodeModel } from "./onnx/encode_model.ts";
import { type ServingForm, servingPhase } from "./phases.ts";
import { graphInputs, trainingNames } from "./training_graph.ts";
import { type WeightLayout, weightLayout } from "./weight_layout.ts";
import { type DenseWeights, requireWeights } from "./weights.ts";

/** A model's graph without loss, gradients and optimizer. */
export interface InferenceGraph {
  readonly model: Model;
  readonly graph: Graph;
  readonly logits: Value;
  readonly layout: WeightLayout;
}

/** Compiles the serving graph. */
export function compileInference(model: Model, form: ServingForm): InferenceGraph {
  const graph = new Graph(form);
  const logits = model.logits(graph, graphInputs(graph, model, servingPhase(graph, form)));
  return { model, graph, logits, layout: weightLayout(graph.learned, graph.statistics) };
}

/** Names of the further inputs of {@link compileByRanking}. */
export const rankingNames = {
  /** Number of each row's ranking, `[rows]`. */
  rankingOfRow: "ranking_of_row",
  sharedOf: (slice: string) => `${slice}/shared`,
} as const;

/**
 * Compiles the serving graph for the rows of rankings. A slice has two inputs: `[rows, Σ dims]` of
 * own slots, and {@link rankingNames.sharedOf}, `[rankings, Σ dims]`, of shared slots.
 *
 * @param sharedSlots Slots that are the same in all rows of a ranking.
 * @returns Undefined where the model does more than multiply its slots by weights and add them up
 *   (cross layers, dot products of slots, attention), or a slice has no own or no shared slot.
 */
export function compileByRanking(
  model: Model,
  form: ServingForm,
  sharedSlots: readonly number[],
): InferenceGraph | undefined {
  const divided = model.sparseInputs.map(({ dims }) => dividedColumns(dims, sharedSlots));
  if (divided.some(({ own, shared }) => own === 0 || shared === 0)) return undefined;
  const graph = new Graph(form);
  const index = graph.input(rankingNames.rankingOfRow, [ROWS]);
  const inputs = graphInputs(graph, model, servingPhase(graph, form), ({ slice, dims }) => {
    const { own, shared, columns } = dividedColumns(dims, sharedSlots);
    return joinColumns(graph, {
      own: graph.input(slice, [ROWS, own]),
      shared: graph.input(rankingNames.sharedOf(slice), [RANKINGS, shared]),
      index,
      columns,
    });
  });
  const logits = model.logits(graph, inputs);
  const isWhole = (value: Value) => sharedColumnsOf(value) !== undefined;
  if (topologicalOrder([logits]).some(isWhole)) return undefined;
  return { model, graph, logits, layout: weightLayout(graph.learned, graph.statistics) };
}

/**
 * Widths of a slice's own and shared columns, and for each column of all slots its column among the
 * own ones followed by the shared ones.
 */
function dividedColumns(dims: readonly number[], sharedSlots: readonly number[]) {
  const isShared = dims.map((_, slot) => sharedSlots.includes(slot));
  const widthOf = (kind: boolean) =>
    dims.reduce((sum, dim, slot) => isShared[slot] === kind ? sum + dim : sum, 0);
  const own = widthOf(false), shared = widthOf(true);
  let nextOwn = 0, nextShared = own;
  const columns = dims.flatMap((dim, slot) =>
    Array.from({ length: dim }, () => isShared[slot] ? nextShared++ : nextOwn++)
  );
  return { own, shared, columns };
}

/** The serving graph as an ONNX model whose parameters are inputs. */
export function inferenceModel({ model, logits }: InferenceGraph) {
  return {
    name: model.options.kind,
    documentation: `Logits of ${model.options.kind} from pooled embeddings and dense values.`,
    outputs: { [trainingNames.logits]: logits },
    parameters: { kind: "inputs" },
  } as const;
}

/**
 * The model and its weights as an ONNX file for other tools: inputs are the pooled slices and
 * `dense`, the output is `logits`.
 *
 * @throws {WeightsMismatchError} When the weights belong to another model.
 */
export function exportOnnx(model: Model, weights: DenseWeights): Uint8Array<ArrayBuffer> {
  const compiled = compileInference(model, { sumsAreProducts: false });
  requireWeights(weights, compiled.layout);
  const data = Object.fromEntries(
    Object.entries(weights.parameters).map(([name, tensor]) => [name, tensor.data]),
  );
  return encodeModel({
    ...inferenceModel(compiled),
    parameters: { kind: "initializers", data },
  });
}
