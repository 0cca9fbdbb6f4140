/**
 * The kind of model, its sizes and its tasks: plain data, checked by the configuration.
 */
import type { HiddenNormalization } from "./normalization.ts";

/** One column of the labels. */
export interface TaskOptions {
  readonly loss: "binaryCrossEntropy" | "squaredError";
  /** Weight in the summed loss, > 0. Default 1. */
  readonly weight?: number;
  /** Weight of the list loss relative to the task's own, for binaryCrossEntropy. Default 0. */
  readonly listWeight?: number;
  /** Largest magnitude of a label of squaredError, if the label rules bound it. */
  readonly labelMax?: number;
}

/** A task with its weight. */
export type Task = TaskOptions & Required<Pick<TaskOptions, "weight">>;

/**
 * Pools a list slot (a user's recent items) by the entries' relevance to a candidate, instead of by
 * sum or mean.
 */
export interface AttentionOptions {
  /** Index of the list slot among the model's slots. */
  readonly slot: number;
  /** Index of the slot that the entries are compared with. */
  readonly candidate: number;
  /** Entries read of each list, newest first; ≥ 1. */
  readonly lengthMax: number;
  /** Hidden widths of the tower that weighs an entry. Default `[32]`. */
  readonly hidden?: readonly number[];
}

interface Common {
  /** List slots pooled by attention; only for models with embeddings. */
  readonly attention?: readonly AttentionOptions[];
  /** One per label column. Default: binary cross entropy with weight 1 for each. */
  readonly tasks?: readonly TaskOptions[];
}

interface Tower {
  /** Widths of the hidden layers, e.g. `[256, 128]`. */
  readonly hidden: readonly number[];
  /** Share of hidden units dropped in training, in [0, 1). Default 0. */
  readonly dropout?: number;
  /** Applied to the sums of a hidden layer before its ReLU. Default "none". */
  readonly normalization?: HiddenNormalization;
}

interface Embedded {
  /** Width of a slot's embedding. */
  readonly embeddingDim: number;
  /**
   * Widths by slot, when they differ; 0 = the slot has only a first-order weight. Shape `[slots]`.
   */
  readonly slotDims?: readonly number[];
}

export type ModelOptions =
  & Common
  & (
    | { readonly kind: "logisticRegression" }
    | ({ readonly kind: "factorizationMachine" } & Embedded)
    | ({ readonly kind: "wideAndDeep" } & Embedded & Tower)
    | ({ readonly kind: "deepFm" } & Embedded & Tower)
    | ({ readonly kind: "dcnV2"; readonly crossLayers: number } & Embedded & Tower)
    | ({ readonly kind: "finalNet" } & Embedded & Tower)
    | ({
      readonly kind: "dlrm";
      /** Hidden widths of the bottom tower; a last layer of `embeddingDim` follows. */
      readonly bottom: readonly number[];
      /** Hidden widths of the top tower; a last, linear layer of one unit per task follows. */
      readonly top: readonly number[];
      readonly dropout?: number;
      readonly normalization?: HiddenNormalization;
    } & Embedded)
    | ({
      readonly kind: "mmoe";
      readonly experts: number;
      /** Widths of each expert's layers. */
      readonly expertHidden: readonly number[];
      /** Hidden widths of each task's tower. */
      readonly towerHidden: readonly number[];
      readonly dropout?: number;
      readonly normalization?: HiddenNormalization;
    } & Embedded)
  );

export type ModelKind = ModelOptions["kind"];

/** Every kind of model, from the simplest to the largest. */
export const modelKinds: readonly ModelKind[] = Object.keys(
  {
    logisticRegression: true,
    factorizationMachine: true,
    wideAndDeep: true,
    deepFm: true,
    dcnV2: true,
    finalNet: true,
    dlrm: true,
    mmoe: true,
  } satisfies Record<ModelKind, true>,
) as ModelKind[];

export interface ModelSizes {
  /** Feature slots; each has one pooled embedding per example. */
  readonly slots: number;
  /** Dense values per example; 0 = none. */
  readonly denseWidth: number;
  /** Label columns, ≥ 1. */
  readonly tasks: number;
  /** Names, by which a checkpoint finds the weights again. Default: their indices. */
  readonly names?: {
    /**
     * `number` is the slot number in its ids, the same after a rename; absent when the slot shares
     * another's ids.
     */
    readonly slots: readonly { readonly name: string; readonly number?: number }[];
    readonly dense: readonly string[];
    readonly tasks: readonly string[];
  };
}

/** Whether a row's logits in training depend on the other rows of its batch. */
export function normalizesBatches(options: ModelOptions): boolean {
  return "normalization" in options && options.normalization === "batch";
}

/** The options describe a model that cannot be built. */
export class ModelOptionsError extends Error {
  override readonly name = "ModelOptionsError";
}
