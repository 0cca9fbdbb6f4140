/**
 * What a model is: the inputs it wants and the function from inputs to logits, written once for training and serving.
 */
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";
import type { ModelOptions, ModelSizes, TaskOptions } from "./options.ts";

/** A table segment that the model reads: one pooled vector of `dim` per slot and example. */
export interface SparseInput {
  /** The segment's name in the embedding table: `"first_order"` or `"embeddings"`. */
  readonly segment: string;
  readonly dim: number;
}

/** What `Model.logits` is given. */
export interface ModelInputs {
  /** Pooled rows by segment. Shape `[rows, slots, dim]`. */
  readonly sparse: Readonly<Record<string, Value>>;
  /** Dense values. Shape `[rows, denseWidth]`; undefined where the width is 0. */
  readonly dense: Value | undefined;
  /** Silences units of a hidden layer in training; returns its argument in serving. */
  dropout(hidden: Value, rate: number): Value;
}

export interface Model {
  readonly options: ModelOptions;
  readonly sizes: ModelSizes;
  readonly sparseInputs: readonly SparseInput[];
  /** One per label column. */
  readonly tasks: readonly Required<TaskOptions>[];
  /** The raw outputs, shape `[rows, tasks]`: logits of binary tasks, values of squared-error tasks. */
  logits(g: Graph, inputs: ModelInputs): Value;
}

/** How one kind of model reads its options; see the files beside this one. */
export interface ModelDefinition<Options> {
  sparseInputs(options: Options, sizes: ModelSizes): readonly SparseInput[];
  logits(g: Graph, inputs: ModelInputs, options: Options, sizes: ModelSizes): Value;
}
