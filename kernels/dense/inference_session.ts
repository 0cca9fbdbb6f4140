/**
 * The door to serving: batches in, logits out, weights replaced between two calls without a pause.
 */
import type { InferenceSession as OnnxSession, Tensor } from "onnxruntime-node";
import { evaluate } from "./graph/evaluate.ts";
import { Graph } from "./graph/graph.ts";
import { resolveShape } from "./graph/shape.ts";
import type { Value } from "./graph/value.ts";
import { initialWeights } from "./initial_weights.ts";
import type { Model } from "./models/model.ts";
import { encodeModel } from "./onnx/encode_model.ts";
import {
  createOnnxSession,
  type Device,
  float32Tensor,
  onnxRuntime,
} from "./sessions/onnx_runtime.ts";
import { onDevice, type Provider } from "./sessions/providers.ts";
import { modelInputs, TRAINING_NAMES } from "./training_graph.ts";
import { type SequenceBatch, sequenceFeeds } from "./sequence_batch.ts";
import { type WeightLayout, weightLayout } from "./weight_layout.ts";
import { type DenseWeights, packWeights } from "./weights.ts";

/** Examples to score. All arrays are row-major. */
export interface InferenceBatch {
  readonly rows: number;
  /** Pooled rows by segment. Shape `[rows, slots, dim]` each. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** List slots pooled by attention, by name; absent = the model has none. */
  readonly sequences?: Readonly<Record<string, SequenceBatch>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** A model that scores. */
export interface InferenceSession {
  readonly model: Model;
  /** Where it runs: "cpu", "webgpu", "cuda" or "reference". */
  readonly provider: string;
  /** Why "auto" passed over devices that it would have preferred; empty for a named provider. */
  readonly passedOver: readonly string[];
  /** Version of the weights in use. */
  readonly version: number;
  /**
   * Raw outputs, shape `[rows, tasks]`, in an array of their own: logits of binary tasks (see {@link probability}),
   * values of squared-error tasks.
   */
  predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>>;
  /**
   * The next `predict` uses these weights; one that runs already keeps the old ones.
   *
   * @throws {WeightsMismatchError} When they belong to another model.
   */
  load(weights: DenseWeights): void;
  /** Frees what it holds on the device. */
  close(): Promise<void>;
}

/** Where it runs. */
export interface InferenceSessionOptions {
  readonly provider: Provider;
  /** Threads of one call on the CPU, ≥ 1. */
  readonly threads: number;
  /** Seeds the untrained weights; the same seed as the trainer's gives the same ones. */
  readonly seed: number;
}

/** The probability that a logit stands for. */
export function probability(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/**
 * A session with untrained weights of version 0.
 *
 * @throws {ProviderUnavailableError} When the provider cannot run here.
 */
export async function createInferenceSession(
  model: Model,
  options: InferenceSessionOptions,
): Promise<InferenceSession> {
  const compiled = compileInference(model);
  const { provider, threads, seed } = options;
  const weights = initialWeights(compiled.graph.parameters, seed);
  if (provider === "reference") return new ReferenceInference(compiled, weights);
  const { value, passedOver } = await onDevice(provider, async (device) => {
    const session = await createOnnxSession(inferenceModel(compiled), { device, threads });
    return new OnnxInference(compiled, weights, session, device, await onnxRuntime());
  });
  value.passedOver = passedOver;
  return value;
}

/**
 * The model and its weights as an ONNX file for other tools: inputs are the pooled segments and `dense`, the output
 * is `logits`.
 */
export function exportOnnx(model: Model, weights: DenseWeights): Uint8Array<ArrayBuffer> {
  const compiled = compileInference(model);
  packWeights(weights, compiled.layout); // refuses weights of another model
  const data = Object.fromEntries(
    Object.entries(weights.parameters).map(([name, tensor]) => [name, tensor.data]),
  );
  return encodeModel({
    ...inferenceModel(compiled),
    parameters: { kind: "initializers", data },
  });
}

interface InferenceGraph {
  readonly model: Model;
  readonly graph: Graph;
  readonly logits: Value;
  readonly layout: WeightLayout;
}

function compileInference(model: Model): InferenceGraph {
  const graph = new Graph();
  const logits = model.logits(graph, modelInputs(graph, model, (hidden) => hidden));
  return { model, graph, logits, layout: weightLayout(graph.parameters) };
}

function inferenceModel({ model, logits }: InferenceGraph) {
  return {
    name: model.options.kind,
    documentation: `Logits of ${model.options.kind} from pooled embeddings and dense values.`,
    outputs: { [TRAINING_NAMES.logits]: logits },
    parameters: { kind: "inputs" },
  } as const;
}

abstract class CompiledInference implements InferenceSession {
  protected readonly compiled: InferenceGraph;
  protected weights: DenseWeights;
  abstract readonly provider: string;
  passedOver: readonly string[] = [];

  constructor(compiled: InferenceGraph, weights: DenseWeights) {
    this.compiled = compiled;
    this.weights = weights;
  }

  get model(): Model {
    return this.compiled.model;
  }

  get version(): number {
    return this.weights.version;
  }

  load(weights: DenseWeights): void {
    packWeights(weights, this.compiled.layout); // refuses weights of another model
    this.weights = weights;
  }

  abstract predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>>;
  abstract close(): Promise<void>;

  protected feeds(batch: InferenceBatch): Record<string, Float32Array<ArrayBuffer>> {
    return {
      ...batch.sparse,
      ...sequenceFeeds(batch.sequences),
      [TRAINING_NAMES.dense]: batch.dense,
    };
  }
}

class ReferenceInference extends CompiledInference {
  readonly provider = "reference";

  predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const feeds: Record<string, Float32Array> = this.feeds(batch);
    for (const [name, { data }] of Object.entries(this.weights.parameters)) feeds[name] = data;
    const [logits] = evaluate([this.compiled.logits], feeds, { rows: batch.rows });
    return Promise.resolve(Float32Array.from(logits.data));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class OnnxInference extends CompiledInference {
  readonly provider: Device;
  readonly #session: OnnxSession;
  readonly #ort: Awaited<ReturnType<typeof onnxRuntime>>;
  #weightTensors: Record<string, Tensor> = {};

  constructor(
    compiled: InferenceGraph,
    weights: DenseWeights,
    session: OnnxSession,
    device: Device,
    ort: Awaited<ReturnType<typeof onnxRuntime>>,
  ) {
    super(compiled, weights);
    this.provider = device;
    this.#session = session;
    this.#ort = ort;
    this.load(weights);
  }

  override load(weights: DenseWeights): void {
    super.load(weights);
    this.#weightTensors = Object.fromEntries(
      Object.entries(weights.parameters).map(([name, { data, shape }]) =>
        [name, float32Tensor(this.#ort, data, shape)] as const
      ),
    );
  }

  async predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const { graph, logits } = this.compiled;
    const { rows } = batch;
    const arrays = this.feeds(batch);
    const feeds: Record<string, Tensor> = { ...this.#weightTensors };
    for (const { name, shape } of graph.inputs) {
      feeds[name] = float32Tensor(this.#ort, arrays[name], resolveShape(shape, { rows }));
    }
    const out = new Float32Array(rows * this.model.sizes.tasks);
    const shape = resolveShape(logits.shape, { rows });
    await this.#session.run(feeds, {
      [TRAINING_NAMES.logits]: float32Tensor(this.#ort, out, shape),
    });
    return out;
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
