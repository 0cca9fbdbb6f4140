/** A request as the extractor reads it: a user, a moment, and the items to be ranked. */

/** Attributes as they arrive; the configuration says which are read, and as which type. */
export type FeatureAttributes = Readonly<
  Record<string, string | number | boolean | readonly string[] | null>
>;

/** Everything that the features of one ranking are made from. */
export interface FeatureRequest {
  /** The user's id; empty = unknown, and then the user's id is an absent feature. */
  readonly user: string;
  readonly userAttributes: FeatureAttributes;
  readonly context: FeatureAttributes;
  /** Data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Row i of the batch is item i. */
  readonly items: readonly FeatureItem[];
  /**
   * The numbers that the server keeps of the items, NaN where absent:
   * `[items, FeatureSchema.keptOfItems]`. Absent = none is known.
   */
  readonly keptOfItems?: Float64Array;
}

/** A candidate. */
export interface FeatureItem {
  readonly id: string;
  /**
   * Attributes of this request only; they precede the stored ones. The features of an item with
   * fields are not cached.
   */
  readonly fields?: FeatureAttributes;
}
