/**
 * Describes training graphs as ONNX models whose parameters are one matrix of weights.
 */
import type { OnnxModelOptions } from "../onnx/encode_model.ts";
import {
  type PassGraph,
  type TrainingGraph,
  trainingNames,
  type TrainingPasses,
} from "../training_graph.ts";

/** The model of a whole step. */
export function trainingModel(compiled: TrainingGraph): OnnxModelOptions {
  const { model, optimizer, parameters, layout, outputs } = compiled;
  return {
    name: `${model.options.kind}_${optimizer.kind}_step`,
    documentation:
      `One training step of ${model.options.kind} with ${optimizer.kind}: feeds a batch and the present state, gives loss, logits, gradients of the embeddings and the next state.`,
    outputs,
    parameters: { kind: "matrix", input: trainingNames.weights, layout, parameters },
  };
}

/** The models of the graphs of {@link compilePasses}. */
export function passModels(
  { model, optimizer, layout }: TrainingGraph,
  { first, later, update }: TrainingPasses,
): { readonly [P in keyof TrainingPasses]: OnnxModelOptions } {
  const ofPass = ({ outputs, parameters }: PassGraph, documentation: string): OnnxModelOptions => ({
    name: `${model.options.kind}_pass`,
    documentation,
    outputs,
    parameters: { kind: "matrix", input: trainingNames.weights, layout, parameters },
  });
  const results = `Loss, logits and gradients of ${model.options.kind} for a part of a batch`;
  return {
    first: ofPass(first, `${results}.`),
    later: ofPass(
      later,
      `${results}; adds the gradient of the weights to the sum of earlier parts.`,
    ),
    update: {
      name: `${optimizer.kind}_update`,
      documentation:
        `The next weights and state of ${optimizer.kind} from the gradients of a batch.`,
      outputs: update.outputs,
      parameters: { kind: "inputs" },
    },
  };
}
