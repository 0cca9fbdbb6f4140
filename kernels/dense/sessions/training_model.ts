/**
 * A training graph as an ONNX model with one matrix of weights.
 */
import type { OnnxModelOptions } from "../onnx/encode_model.ts";
import { TRAINING_NAMES, type TrainingGraph } from "../training_graph.ts";

export function trainingModel(compiled: TrainingGraph): OnnxModelOptions {
  const { model, optimizer, parameters, layout, outputs } = compiled;
  return {
    name: `${model.options.kind}_${optimizer.kind}_step`,
    documentation:
      `One training step of ${model.options.kind} with ${optimizer.kind}: feeds a batch and the present state, gives loss, logits, gradients of the embeddings and the next state.`,
    outputs,
    parameters: { kind: "matrix", input: TRAINING_NAMES.weights, layout, parameters },
  };
}
