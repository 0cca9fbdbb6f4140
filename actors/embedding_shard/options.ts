/**
 * What an embedding shard needs to know, as plain data.
 */
import type { TableOptions } from "../../kernels/embedding/options.ts";

/** One shard and its table. */
export interface EmbeddingShardOptions {
  /** From 0. */
  readonly shard: number;
  readonly table: TableOptions;
  /** How often expired rows are looked for, ms. */
  readonly evictionIntervalMs: number;
  /** Buckets examined per search: bounds its pause. */
  readonly evictionBucketsMax: number;
}
