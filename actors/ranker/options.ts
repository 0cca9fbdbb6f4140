/**
 * The ranker's configuration, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { SlotColumn } from "../../kernels/features/values_of_items.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";

/** Its scorer, the feature schema, and the bound of its cache. */
export interface RankerOptions {
  readonly scorer: Address;
  /** Feature keepers, by shard; empty = no features are kept. */
  readonly keepers: readonly Address[];
  /** Slots by which kept features divide the events of users. */
  readonly keptSlots: readonly SlotColumn[];
  /** Kept features by item: the first ones of `schema.keptOfItems`. */
  readonly keptByItem: number;
  /** Time for the keepers to answer, ms; a later ranking goes on without kept features. */
  readonly keptBudgetMs: number;
  /** Kept features of items that order the sources `popular` and `trending`. */
  readonly topBy: { readonly popular?: string; readonly trending?: string };
  /** The kept history of the source `history`. */
  readonly historyBy?: string;
  /** Absent = candidates are not searched. */
  readonly retriever?: Address;
  readonly schema: FeatureSchema;
  /** Names of the model's tasks, `[tasks]`. */
  readonly taskNames: readonly string[];
  /** Bound of the cache of items' features, bytes. */
  readonly itemCacheBytesMax: number;
  /** Bound of the items that a ranking explains, best first. */
  readonly explainedItemsMax: number;
  /** Bound of the items left out by rules that an answer with `explain` lists. */
  readonly removedItemsMax: number;
  /** Types of the attributes that rules may read. */
  readonly attributeTypes: AttributeTypes;
  /** Bound of the rankings with explanations that are in progress; more are "overloaded". */
  readonly explainingMax: number;
}
