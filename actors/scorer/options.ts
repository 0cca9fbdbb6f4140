/**
 * What a scorer needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";

/** Where rows come from, and the shape of features and model. */
export interface ScorerOptions {
  /** Replicas of each shard, by shard number; a scorer uses one of each and turns to the next when it fails. */
  readonly replicas: readonly (readonly Address[])[];
  /** Budget of a lookup, ms, where the request itself leaves more. */
  readonly lookupBudgetMs: number;
  /** Rows scored in one forward pass: requests that wait are scored together up to here. */
  readonly batchRowsMax: number;
  /** Requests that may wait for a forward pass; more are answered "overloaded". */
  readonly requestsWaitingMax: number;
  readonly schema: FeatureSchema;
  /** What each task's prediction counts in the score; one of them not 0. Shape `[tasks]`. */
  readonly scoreWeights: readonly number[];
  /** The replicas' rows; the model's sparse inputs are found by name. */
  readonly layout: RowLayout;
}
