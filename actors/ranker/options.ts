/**
 * What a ranker needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";

/** Where rows come from, and the shape of features and model. */
export interface RankerOptions {
  /** Replicas of each shard, by shard number; a ranker uses one of each and turns to the next when it fails. */
  readonly replicas: readonly (readonly Address[])[];
  /** Budget of a lookup, ms, where the request itself leaves more. */
  readonly lookupBudgetMs: number;
  /** Candidates scored in one forward pass: requests that wait are scored together up to here. */
  readonly batchRowsMax: number;
  /** Requests that may wait for a forward pass; more are answered "overloaded". */
  readonly requestsWaitingMax: number;
  readonly schema: FeatureSchema;
  /** Memory for features of items that are kept between requests, bytes. */
  readonly itemCacheBytesMax: number;
  /** The replicas' rows; the model's sparse inputs are found by name. */
  readonly layout: RowLayout;
}
