/**
 * The serving interface: batches in, logits out; new weights take effect at the next call.
 * `OnnxInference` (sessions/compiled_inference.ts) implements it.
 */
import type { CheckpointTensor } from "./checkpoint.ts";
import {
  compileByRanking,
  compileInference,
  type InferenceGraph,
  inferenceModel,
} from "./inference_graph.ts";
import { initialWeights } from "./initial_weights.ts";
import type { Model } from "./models/model.ts";
import type { TaskOptions } from "./models/options.ts";
import type { HistoryArrays } from "./history_arrays.ts";
import { OnnxInference, ReferenceInference } from "./sessions/compiled_inference.ts";
import { createOnnxSession, onnxRuntime } from "./sessions/onnx_runtime.ts";
import type { Provider } from "./sessions/providers.ts";
import type { DenseWeights } from "./weights.ts";

export { exportOnnx } from "./inference_graph.ts";

/** The part of a batch that all rows of a ranking share. */
export interface SharedInputs {
  readonly rankings: number;
  /** As {@link InferenceBatch.sparse}, of the shared slots. Shape `[rankings, Σ dims]` each. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Number of each row's ranking. Shape `[rows]`. */
  readonly rankingOfRow: Float32Array<ArrayBuffer>;
}

/** Examples to score. All arrays are row-major. */
export interface InferenceBatch {
  readonly rows: number;
  /**
   * Pooled rows by slice, the slots' vectors concatenated. Shape `[rows, Σ dims]` each; where there
   * is {@link shared}, of the slots that are not shared.
   */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Only for a session with {@link InferenceSession.sharedSlots}. */
  readonly shared?: SharedInputs;
  /** By the names of the model's `historyInputs`; absent = the model has none. */
  readonly histories?: Readonly<Record<string, HistoryArrays>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** A model in serving. */
export interface InferenceSession {
  readonly model: Model;
  /** Where it runs: "cpu", "webgpu", "cuda" or "reference". */
  readonly provider: string;
  /** Version of the weights in use. */
  readonly version: number;
  /** Names and shapes of all weights, by which a checkpoint of the same model is known. */
  readonly parameters: readonly CheckpointTensor[];
  /** Slots that `InferenceBatch.shared` may have once a ranking; empty = none. */
  readonly sharedSlots: readonly number[];
  /**
   * Raw outputs, shape `[rows, tasks]`: logits of binary tasks, values of squared-error tasks (see
   * {@link prediction}). The array belongs to the session and is valid until its next call.
   */
  predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>>;
  /**
   * The next `predict` uses these weights; a running one keeps the former weights.
   *
   * @throws {WeightsMismatchError} When they belong to another model.
   */
  load(weights: DenseWeights): void;
  /** Frees memory, on the device too. */
  close(): Promise<void>;
}

/** The device of a session, and its first weights. */
export interface InferenceSessionOptions {
  readonly provider: Provider;
  /** Threads of one call on the CPU, ≥ 1. */
  readonly threads: number;
  /** Seeds the untrained weights; a trainer with the same seed starts with the same weights. */
  readonly seed: number;
  /**
   * Slots that are the same in all rows of a ranking. On the CPU and on the reference provider the
   * session then has a second graph for the rows of rankings, if the model allows it. Default:
   * none.
   */
  readonly sharedSlots?: readonly number[];
}

/**
 * A task's prediction from its raw output: the probability of a positive label, or the label's
 * value.
 */
export function prediction({ loss }: TaskOptions, output: number): number {
  return loss === "squaredError" ? output : 1 / (1 + Math.exp(-output));
}

/**
 * A session with untrained weights of version 0.
 *
 * @throws {ProviderUnavailableError} When the provider is not available on this machine.
 */
export async function createInferenceSession(
  model: Model,
  options: InferenceSessionOptions,
): Promise<InferenceSession> {
  const { provider, threads, seed, sharedSlots = [] } = options;
  const form = { sumsAreProducts: provider === "cpu" };
  const compiled = compileInference(model, form);
  const weights = initialWeights(compiled.graph.parameters, seed);
  const isDivided = provider === "cpu" || provider === "reference";
  const byRanking = isDivided ? compileByRanking(model, form, sharedSlots) : undefined;
  if (provider === "reference") {
    return new ReferenceInference(
      compiled,
      weights,
      byRanking && { graph: byRanking, sharedSlots },
    );
  }
  const settings = { device: provider, threads, packsConstants: !form.sumsAreProducts };
  const opened = async (graph: InferenceGraph) => {
    return { graph, session: await createOnnxSession(inferenceModel(graph), settings) };
  };
  return new OnnxInference({
    weights,
    whole: await opened(compiled),
    ...(byRanking && { byRanking: { ...await opened(byRanking), sharedSlots } }),
    device: provider,
    ort: await onnxRuntime(),
  });
}
