/**
 * A model: its inputs, and its function from inputs to logits, written once for training and
 * serving.
 */
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";
import type { Columns } from "./columns.ts";
import type { Moments } from "./normalization.ts";
import type { ModelOptions, ModelSizes, Task } from "./options.ts";

/**
 * A table slice that the model reads: per example the pooled vectors of all slots, concatenated.
 */
export interface SparseInput {
  /** The slice's name in the embedding table: `"first_order"` or `"embeddings"`. */
  readonly slice: string;
  /** Width of each slot's vector; 0 = the slot has none. Shape `[slots]`. */
  readonly dims: readonly number[];
}

/** A history that the model reads: a list slot whose entries attention pools inside the model. */
export interface HistoryInput {
  /** Its key in a batch's histories: `history{slot}`. */
  readonly name: string;
  /** Index of the list slot among the model's slots. */
  readonly slot: number;
  readonly lengthMax: number;
  /** Width of an entry's embedding. */
  readonly dim: number;
}

/** A history in a graph. */
export interface HistoryValues {
  /**
   * Embeddings of the entries; arbitrary where there is no entry. Shape `[rows, lengthMax, dim]`.
   */
  readonly entries: Value;
  /** 1 where there is an entry, else 0. Shape `[rows, lengthMax]`. */
  readonly present: Value;
}

/** The operations that differ between training and serving. */
export interface Phase {
  /** Drops units of a hidden layer in training; returns its argument in serving. */
  dropout(hidden: Value, rate: number): Value;
  /** The sum of the slots' vectors: `[rows, slots, dim]` to `[rows, 1, dim]`. */
  slotSum(vectors: Value): Value;
  /** The sum of each row's squares: `[rows, n, dim]` to `[rows, 1, 1]` or `[rows, 1]`. */
  squareSum(vectors: Value): Value;
  /**
   * The moments of each column of `z`, shape `[rows, width]`: the batch's in training, the running
   * ones in serving.
   *
   * @param mean Name of the statistic that keeps the running mean.
   * @param variance Name of the statistic that keeps the running variance.
   */
  moments(z: Value, mean: string, variance: string): Moments;
}

/** The graph's inputs as `Model.logits` gets them. */
export interface GraphInputs extends Phase {
  /** Pooled rows by slice, the slots' vectors concatenated. Shape `[rows, Σ dims]`. */
  readonly sparse: Readonly<Record<string, Value>>;
  /** By the names of {@link Model.historyInputs}. */
  readonly histories: Readonly<Record<string, HistoryValues>>;
  /** Dense values. Shape `[rows, denseWidth]`; undefined when the width is 0. */
  readonly dense: Value | undefined;
  /** Names of the columns of these inputs and of the logits. */
  readonly columns: Columns;
}

export interface Model {
  readonly options: ModelOptions;
  readonly sizes: ModelSizes;
  readonly sparseInputs: readonly SparseInput[];
  /** Empty for models without attention. */
  readonly historyInputs: readonly HistoryInput[];
  /** One per label column. */
  readonly tasks: readonly Task[];
  /**
   * The raw outputs, shape `[rows, tasks]`: logits of binary tasks, values of squared-error tasks.
   */
  logits(g: Graph, inputs: GraphInputs): Value;
}

/** One kind of model: its inputs and logits as functions of its options. */
export interface ModelDefinition<Options> {
  /** Set when the model multiplies embeddings of different slots, which then need one width. */
  readonly dotProducts?: true;
  sparseInputs(options: Options, sizes: ModelSizes): readonly SparseInput[];
  logits(g: Graph, inputs: GraphInputs, options: Options, sizes: ModelSizes): Value;
}
