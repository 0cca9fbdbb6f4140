/**
 * What a model is: the inputs it wants and the function from inputs to logits, written once for training and serving.
 */
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";
import type { Columns } from "./columns.ts";
import type { Moments } from "./normalization.ts";
import type { ModelOptions, ModelSizes, TaskOptions } from "./options.ts";

/** A table slice that the model reads: one pooled vector per slot and example, side by side. */
export interface SparseInput {
  /** The slice's name in the embedding table: `"first_order"` or `"embeddings"`. */
  readonly slice: string;
  /** Width of each slot's vector; 0 = the slot has none. Shape `[slots]`. */
  readonly dims: readonly number[];
}

/** A list slot that the model reads entry by entry. */
export interface HistoryInput {
  /** Its name among a batch's histories: `history{slot}`. */
  readonly name: string;
  /** Position of the list slot among the model's slots. */
  readonly slot: number;
  readonly lengthMax: number;
  /** Width of an entry's embedding. */
  readonly dim: number;
}

/** A list slot in a graph. */
export interface HistoryValues {
  /** Embeddings of the entries; any number where there is none. Shape `[rows, lengthMax, dim]`. */
  readonly entries: Value;
  /** 1 where there is an entry, else 0. Shape `[rows, lengthMax]`. */
  readonly present: Value;
}

/** What is done otherwise in training than in serving. */
export interface Phase {
  /** Silences units of a hidden layer in training; returns its argument in serving. */
  dropout(hidden: Value, rate: number): Value;
  /**
   * The moments of each column of `z`, shape `[rows, width]`: the batch's own in training, in serving the running ones,
   * which are kept as statistics of these names.
   */
  moments(z: Value, mean: string, variance: string): Moments;
}

/** What `Model.logits` is given. */
export interface ModelInputs extends Phase {
  /** Pooled rows by slice, the slots' vectors side by side. Shape `[rows, Σ dims]`. */
  readonly sparse: Readonly<Record<string, Value>>;
  /** By the names of {@link Model.historyInputs}. */
  readonly histories: Readonly<Record<string, HistoryValues>>;
  /** Dense values. Shape `[rows, denseWidth]`; undefined where the width is 0. */
  readonly dense: Value | undefined;
  /** What the columns of all this, and of the logits, are of. */
  readonly columns: Columns;
}

export interface Model {
  readonly options: ModelOptions;
  readonly sizes: ModelSizes;
  readonly sparseInputs: readonly SparseInput[];
  /** Empty for models without attention. */
  readonly historyInputs: readonly HistoryInput[];
  /** One per label column. */
  readonly tasks: readonly Required<TaskOptions>[];
  /** The raw outputs, shape `[rows, tasks]`: logits of binary tasks, values of squared-error tasks. */
  logits(g: Graph, inputs: ModelInputs): Value;
}

/** How one kind of model reads its options; see the files beside this one. */
export interface ModelDefinition<Options> {
  /** It multiplies embeddings of different slots with one another, so all that a slot has are of one width. */
  readonly dotProducts?: true;
  sparseInputs(options: Options, sizes: ModelSizes): readonly SparseInput[];
  logits(g: Graph, inputs: ModelInputs, options: Options, sizes: ModelSizes): Value;
}
