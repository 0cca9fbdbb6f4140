/**
 * Options of a table: the layout of its rows, their optimizers, admission and expiry. Plain data,
 * checked by the configuration.
 *
 * A row is a concatenation of slices (say a first-order weight of dim 1 and an embedding of dim
 * 16), each with its own initializer and optimizer. A slot (feature column) may override both, and
 * has its own admission and expiry.
 */

import type { LearningRateSchedule } from "../dense/optimizers/learning_rate.ts";
import type { Precision } from "./served_weights.ts";

/**
 * Feature ids as 64-bit words: slot (15 bits) << 48 | signature (48 bits). A container whose
 * elements are never read one by one on a hot path.
 */
export type FeatureIds = BigUint64Array<ArrayBuffer>;

/** A row's first value, a function of (seed, feature id, column) alone. */
export type InitializerOptions =
  | { readonly kind: "zeros" }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "normal"; readonly mean: number; readonly stddev: number };

/** Sparse optimizers; rules and defaults in docs and in the Rust crate, one file each. */
export type SparseOptimizerOptions =
  & {
    readonly learningRate: number;
    /** L2 decay added to the gradient: g + weightDecay · w. Default 0. */
    readonly weightDecay?: number;
    /** Elementwise clip of the gradient to [-gradientClip, gradientClip]; absent = none. */
    readonly gradientClip?: number;
  }
  & (
    | { readonly kind: "sgd" }
    | { readonly kind: "momentum"; readonly momentum: number; readonly nesterov?: boolean }
    | { readonly kind: "adagrad"; readonly initialAccumulator: number }
    | { readonly kind: "rowwiseAdagrad"; readonly initialAccumulator: number }
    | { readonly kind: "adadelta"; readonly averagingRatio: number; readonly epsilon: number }
    | {
      readonly kind: "adam";
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly amsgrad?: boolean;
    }
    | { readonly kind: "rmsprop"; readonly momentum: number; readonly version: 1 | 2 }
    | {
      readonly kind: "ftrl";
      readonly beta: number;
      readonly initialAccumulator: number;
      readonly l1: number;
      readonly l2: number;
    }
    | {
      readonly kind: "groupAdagrad";
      readonly beta: number;
      readonly initialAccumulator: number;
      readonly l2: number;
    }
  );

/** A part of each row. */
export interface SliceOptions {
  /** The name of the dense model's input, e.g. `"first_order"`, `"embeddings"`. */
  readonly name: string;
  /** Number of weights, ≥ 1. */
  readonly dim: number;
  readonly initializer: InitializerOptions;
  readonly optimizer: SparseOptimizerOptions;
  /** Schedule over the batches applied to the table; absent = constant. */
  readonly learningRateSchedule?: LearningRateSchedule;
}

/**
 * When an id gets a row: after `threshold` occurrences (0 = at once), or with `probability` at
 * each.
 */
export type AdmissionOptions =
  | { readonly kind: "threshold"; readonly threshold: number }
  | { readonly kind: "probability"; readonly probability: number };

/** Options of one slot. */
export interface SlotOptions {
  /** 0 to 32,767; a feature schema numbers its slots from 1. */
  readonly number: number;
  readonly admission: AdmissionOptions;
  /** A row without an update for this long on the data clock expires; absent = never. Seconds. */
  readonly expirySeconds?: number;
  /** Per-slice overrides, by slice name. */
  readonly slices?: Readonly<
    Record<string, Partial<Pick<SliceOptions, "initializer" | "optimizer">>>
  >;
}

/** Options of one table. */
export interface TableOptions {
  /** Seed of every row's initial value. */
  readonly seed: number;
  readonly slices: readonly SliceOptions[];
  /** Slots that differ from the defaults (admission at once, no expiry, no override). */
  readonly slots: readonly SlotOptions[];
  /** Hard limit of the table's memory, bytes; at most 3 GiB. */
  readonly bytesMax: number;
  /** The policy at the limit. */
  readonly atLimit: "reject" | "evictLeastRecentlyUsed" | "evictLeastFrequentlyUsed";
  /** Precision of the weights in deltas and pages for serving tables. Default: fp32. */
  readonly servedPrecision?: Precision;
}

/** Pooling of a list slot's embeddings. */
export type Combiner = "sum" | "mean" | "sqrtn" | "first";

/** Combiners as the kernel reads them, one byte a slot. */
export const COMBINER_CODES: Readonly<Record<Combiner, number>> = {
  sum: 0,
  mean: 1,
  sqrtn: 2,
  first: 3,
};
