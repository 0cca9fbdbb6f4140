/**
 * Serving sessions over a compiled graph. Weights are inputs of the graph, so new weights take
 * effect at the next call.
 */
import type { InferenceSession as OnnxSession, Tensor } from "onnxruntime-node";
import { Evaluator } from "../graph/evaluate.ts";
import { resolveShape } from "../graph/shape.ts";
import type { InferenceGraph } from "../inference_graph.ts";
import type { InferenceBatch, InferenceSession } from "../inference_session.ts";
import type { Model } from "../models/model.ts";
import { historyFeeds } from "../history_arrays.ts";
import { trainingNames } from "../training_graph.ts";
import { type DenseWeights, requireWeights } from "../weights.ts";
import { type Device, float32Tensor, type OnnxRuntime } from "./onnx_runtime.ts";

abstract class CompiledInference implements InferenceSession {
  protected readonly compiled: InferenceGraph;
  protected weights: DenseWeights;
  abstract readonly provider: string;

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
    requireWeights(weights, this.compiled.layout);
    this.weights = weights;
  }

  abstract predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>>;
  abstract close(): Promise<void>;

  protected feeds(batch: InferenceBatch): Record<string, Float32Array<ArrayBuffer>> {
    return {
      ...batch.sparse,
      ...historyFeeds(batch.histories),
      [trainingNames.dense]: batch.dense,
    };
  }
}

/** Serves with the reference evaluator. */
export class ReferenceInference extends CompiledInference {
  readonly provider = "reference";
  #evaluator: Evaluator | undefined;

  predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const feeds: Record<string, Float32Array> = this.feeds(batch);
    for (const [name, { data }] of Object.entries(this.weights.parameters)) feeds[name] = data;
    this.#evaluator ??= new Evaluator([this.compiled.logits]);
    const [logits] = this.#evaluator.evaluate(feeds, { rows: batch.rows });
    return Promise.resolve(new Float32Array(logits.data));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The parts of a serving session in ONNX Runtime. */
export interface OnnxInferenceParts {
  readonly compiled: InferenceGraph;
  readonly weights: DenseWeights;
  readonly session: OnnxSession;
  readonly device: Device;
  readonly ort: OnnxRuntime;
}

/** Serves with ONNX Runtime. */
export class OnnxInference extends CompiledInference {
  readonly provider: Device;
  readonly #session: OnnxSession;
  readonly #ort: OnnxRuntime;
  #weightTensors: Record<string, Tensor> = {};
  #outputs = new Float32Array(0);

  constructor({ compiled, weights, session, device, ort }: OnnxInferenceParts) {
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
    const floats = rows * this.model.sizes.tasks;
    if (this.#outputs.length < floats) this.#outputs = new Float32Array(2 * floats);
    const out = this.#outputs.subarray(0, floats);
    const shape = resolveShape(logits.shape, { rows });
    await this.#session.run(feeds, {
      [trainingNames.logits]: float32Tensor(this.#ort, out, shape),
    });
    return out;
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
