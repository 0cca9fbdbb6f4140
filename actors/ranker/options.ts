/**
 * The ranker's configuration, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";

/** Its scorer, the feature schema, and the bound of its cache. */
export interface RankerOptions {
  readonly scorer: Address;
  readonly schema: FeatureSchema;
  /** Names of the model's tasks, `[tasks]`. */
  readonly taskNames: readonly string[];
  /** Bound of the cache of items' features, bytes. */
  readonly itemCacheBytesMax: number;
  /** Bound of the items that a ranking explains, best first. */
  readonly explainedItemsMax: number;
  /** Bound of the rankings with explanations that are in progress; more are "overloaded". */
  readonly explainingMax: number;
}
