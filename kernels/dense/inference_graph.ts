/**
 * The serving graph: the model's function from inputs to logits, also as an ONNX file for other
 * tools.
 */
import { Graph } from "./graph/graph.ts";
import type { Value } from "./graph/value.ts";
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
  const graph = new Graph();
  const logits = model.logits(graph, graphInputs(graph, model, servingPhase(graph, form)));
  return { model, graph, logits, layout: weightLayout(graph.learned, graph.statistics) };
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
