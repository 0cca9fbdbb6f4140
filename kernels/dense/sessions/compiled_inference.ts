/**
 * Serving sessions over a compiled graph. Weights are inputs of the graph, so new weights take
 * effect at the next call.
 */
import type { InferenceSession as OnnxSession, Tensor } from "onnxruntime-node";
import { type CheckpointTensor, tensorsIn } from "../checkpoint.ts";
import { Evaluator } from "../graph/evaluate.ts";
import { resolveShape } from "../graph/shape.ts";
import { pickedRows } from "../graph/shared_columns.ts";
import { type InferenceGraph, rankingNames } from "../inference_graph.ts";
import type { InferenceBatch, InferenceSession } from "../inference_session.ts";
import type { Model } from "../models/model.ts";
import { historyFeeds } from "../history_arrays.ts";
import { trainingNames } from "../training_graph.ts";
import { type DenseWeights, requireWeights } from "../weights.ts";
import { type Device, float32Tensor, type OnnxRuntime } from "./onnx_runtime.ts";

const NO_SHARED_INPUTS = "This session takes no inputs that rows share.";

abstract class CompiledInference implements InferenceSession {
  protected readonly compiled: InferenceGraph;
  protected weights: DenseWeights;
  abstract readonly provider: string;
  abstract readonly sharedSlots: readonly number[];

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

  get parameters(): readonly CheckpointTensor[] {
    return tensorsIn(this.compiled.graph.parameters);
  }

  load(weights: DenseWeights): void {
    requireWeights(weights, this.compiled.layout);
    this.weights = weights;
  }

  abstract predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>>;
  abstract close(): Promise<void>;

  protected feeds(batch: InferenceBatch): Record<string, Float32Array<ArrayBuffer>> {
    const feeds: Record<string, Float32Array<ArrayBuffer>> = {
      ...batch.sparse,
      ...historyFeeds(batch.histories),
      [trainingNames.dense]: batch.dense,
    };
    if (batch.shared === undefined) return feeds;
    const { sparse, rankingOfRow } = batch.shared;
    for (const [slice, array] of Object.entries(sparse)) {
      feeds[rankingNames.sharedOf(slice)] = array;
    }
    feeds[rankingNames.rankingOfRow] = rankingOfRow;
    return feeds;
  }
}

/** A graph for batches with shared inputs, and the slots that rows share. */
export interface RankingGraph {
  readonly graph: InferenceGraph;
  readonly sharedSlots: readonly number[];
}

/** Serves with the reference evaluator. */
export class ReferenceInference extends CompiledInference {
  readonly provider = "reference";
  readonly sharedSlots: readonly number[];
  readonly #whole: EvaluatedGraph;
  readonly #byRanking: EvaluatedGraph | undefined;

  /** @param byRanking Absent = batches with shared inputs are refused. */
  constructor(whole: InferenceGraph, weights: DenseWeights, byRanking?: RankingGraph) {
    super(whole, weights);
    this.sharedSlots = byRanking?.sharedSlots ?? [];
    this.#whole = new EvaluatedGraph(whole);
    this.#byRanking = byRanking && new EvaluatedGraph(byRanking.graph);
    this.load(weights);
  }

  override load(weights: DenseWeights): void {
    super.load(weights);
    this.#whole.load(weights);
    this.#byRanking?.load(weights);
  }

  predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const graph = batch.shared === undefined ? this.#whole : this.#byRanking;
    if (graph === undefined) return Promise.reject(new Error(NO_SHARED_INPUTS));
    const rankings = batch.shared?.rankings ?? 0;
    return Promise.resolve(graph.run(this.feeds(batch), { rows: batch.rows, rankings }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One graph of a session with the reference evaluator, with the arrays of its weights. */
class EvaluatedGraph {
  readonly #graph: InferenceGraph;
  #evaluator: Evaluator | undefined;
  #weights: Readonly<Record<string, Float32Array>> = {};

  constructor(graph: InferenceGraph) {
    this.#graph = graph;
  }

  load({ parameters }: DenseWeights): void {
    const arrays: Record<string, Float32Array> = {};
    for (const [name, { data }] of Object.entries(parameters)) arrays[name] = data;
    for (const { input, of, rows } of this.#graph.graph.parameterRows) {
      const { data, shape: [, width] } = parameters[of];
      arrays[input.name] = pickedRows(data, width, rows);
    }
    this.#weights = arrays;
  }

  run(
    arrays: Readonly<Record<string, Float32Array>>,
    sizes: Readonly<Record<string, number>>,
  ): Float32Array<ArrayBuffer> {
    this.#evaluator ??= new Evaluator([this.#graph.logits]);
    const [logits] = this.#evaluator.evaluate({ ...arrays, ...this.#weights }, sizes);
    return new Float32Array(logits.data);
  }
}

/** A serving graph in ONNX Runtime. */
export interface OpenedGraph {
  readonly graph: InferenceGraph;
  readonly session: OnnxSession;
}

/** The parts of a serving session in ONNX Runtime. */
export interface OnnxInferenceParts {
  readonly weights: DenseWeights;
  /** Takes batches with all slots of each row. */
  readonly whole: OpenedGraph;
  /** Takes batches with shared inputs; absent = such batches are refused. */
  readonly byRanking?: OpenedGraph & { readonly sharedSlots: readonly number[] };
  readonly device: Device;
  readonly ort: OnnxRuntime;
}

/** Serves with ONNX Runtime. */
export class OnnxInference extends CompiledInference {
  readonly provider: Device;
  readonly sharedSlots: readonly number[];
  readonly #whole: OnnxGraph;
  readonly #byRanking: OnnxGraph | undefined;
  #outputs = new Float32Array(0);

  constructor({ weights, whole, byRanking, device, ort }: OnnxInferenceParts) {
    super(whole.graph, weights);
    this.provider = device;
    this.sharedSlots = byRanking?.sharedSlots ?? [];
    this.#whole = new OnnxGraph(whole, ort);
    this.#byRanking = byRanking && new OnnxGraph(byRanking, ort);
    this.load(weights);
  }

  override load(weights: DenseWeights): void {
    super.load(weights);
    this.#whole.load(weights);
    this.#byRanking?.load(weights);
  }

  async predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const graph = batch.shared === undefined ? this.#whole : this.#byRanking;
    if (graph === undefined) throw new Error(NO_SHARED_INPUTS);
    const floats = batch.rows * this.model.sizes.tasks;
    if (this.#outputs.length < floats) this.#outputs = new Float32Array(2 * floats);
    const out = this.#outputs.subarray(0, floats);
    const rankings = batch.shared?.rankings ?? 0;
    await graph.run(this.feeds(batch), { rows: batch.rows, rankings }, out);
    return out;
  }

  async close(): Promise<void> {
    await this.#whole.close();
    await this.#byRanking?.close();
  }
}

/** One graph of a session, with the tensors of its weights. */
class OnnxGraph {
  readonly #graph: InferenceGraph;
  readonly #session: OnnxSession;
  readonly #ort: OnnxRuntime;
  #weightTensors: Record<string, Tensor> = {};

  constructor({ graph, session }: OpenedGraph, ort: OnnxRuntime) {
    this.#graph = graph;
    this.#session = session;
    this.#ort = ort;
  }

  load({ parameters }: DenseWeights): void {
    const tensors: Record<string, Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(parameters)) {
      if (!this.#session.inputNames.includes(name)) continue; // its rows are read instead
      tensors[name] = float32Tensor(this.#ort, data, shape);
    }
    for (const { input, of, rows } of this.#graph.graph.parameterRows) {
      const { data, shape: [, width] } = parameters[of];
      const picked = pickedRows(data, width, rows);
      tensors[input.name] = float32Tensor(this.#ort, picked, [rows.length, width]);
    }
    this.#weightTensors = tensors;
  }

  /** Runs the graph on arrays by the names of its inputs; writes the logits to `out`. */
  async run(
    arrays: Readonly<Record<string, Float32Array<ArrayBuffer>>>,
    sizes: Readonly<Record<string, number>>,
    out: Float32Array<ArrayBuffer>,
  ): Promise<void> {
    const { graph, logits } = this.#graph;
    const feeds: Record<string, Tensor> = { ...this.#weightTensors };
    for (const { name, shape } of graph.inputs) {
      feeds[name] = float32Tensor(this.#ort, arrays[name], resolveShape(shape, sizes));
    }
    await this.#session.run(feeds, {
      [trainingNames.logits]: float32Tensor(this.#ort, out, resolveShape(logits.shape, sizes)),
    });
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
