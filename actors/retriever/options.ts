/**
 * The retriever's configuration, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";

/** Its scorer, the shape of the vectors, and its bounds. */
export interface RetrieverOptions {
  /** Computes the vectors. */
  readonly scorer: Address;
  readonly schema: FeatureSchema;
  /** Width of the vectors: the model's embeddings. */
  readonly dim: number;
  /** Bound of the items; further ones are left out and counted. */
  readonly itemsMax: number;
  /** Types of the attributes that filters read; other attributes are not held. */
  readonly attributeTypes: AttributeTypes;
  /** The number that orders the source `recent`, the greatest first; absent = no such source. */
  readonly recentBy?: string;
  /** Share of the time spent on computing vectors again, 0 to 1. */
  readonly refreshShare: number;
}
