/**
 * What a ranker needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";

/** Who scores, and what features are made of. */
export interface RankerOptions {
  readonly scorer: Address;
  readonly schema: FeatureSchema;
  /** What the model predicts, by name; shape `[tasks]`. */
  readonly taskNames: readonly string[];
  /** Memory for features of items that are kept between requests, bytes. */
  readonly itemCacheBytesMax: number;
}
