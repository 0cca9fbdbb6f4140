/** The kernel's table exports. See ABI.md, "Tables". */
import type { KernelExports } from "./kernel_module.ts";
import type { Reserve } from "./kernel_refusals.ts";

export interface TableExports extends KernelExports {
  readonly table_ids: Reserve;
  readonly table_floats: Reserve;
  readonly table_counts: Reserve;
  readonly table_words: Reserve;
  readonly table_bytes: Reserve;
  readonly table_removed: () => number;
  readonly table_create: (words: number) => number;
  readonly table_lookup: (count: number, missing: number) => number;
  readonly table_apply_gradients: (count: number, seconds: number) => number;
  readonly table_assign: (count: number, seconds: number) => number;
  readonly table_evict_expired: (buckets: number) => number;
  readonly table_set_learning_rate_scale: (slice: number, scale: number) => number;
  readonly table_begin_deltas: (consumer: number) => number;
  readonly table_take_delta: (consumer: number, acknowledged: number, rowsMax: number) => number;
  readonly table_pack_rows: (count: number, removed: number, precision: number) => number;
  readonly table_export_rows: (cursor: number, rowsMax: number) => number;
  readonly table_end_deltas: (consumer: number) => number;
  readonly table_take_saved_delta: (
    consumer: number,
    acknowledged: number,
    rowsMax: number,
  ) => number;
  readonly table_export_saved: (cursor: number, rowsMax: number) => number;
  readonly table_export_counters: (cursor: number, linesMax: number) => number;
  readonly table_moment: () => number;
  readonly table_digest: (cursor: number, handlesMax: number) => number;
  readonly table_remove: (count: number) => number;
  readonly table_snapshot_cut: (stored: number) => number;
  readonly table_snapshot_settle: () => number;
  readonly table_snapshot_begin: (increment: number) => number;
  readonly table_snapshot_next: (rowsMax: number) => number;
  readonly table_snapshot_limit: (bytesMax: number) => number;
  readonly table_snapshot_end: () => number;
  readonly table_restore_begin: (seconds: number, updates: number) => number;
  readonly table_restore_emptied: (newest: number, emptied: number) => number;
  readonly table_restore_removed: (bytes: number, checksum: number) => number;
  readonly table_restore_counters: (newest: number, bytes: number, checksum: number) => number;
  readonly table_restore_rows: (bytes: number, checksum: number, words: number) => number;
  readonly table_layout: () => number;
  readonly table_limit: (bytesMax: number) => number;
  readonly table_entries_per_bucket: () => number;
  readonly table_statistics: (thorough: number) => number;
  readonly serving_create: (width: number, precision: number, bytesMax: number) => number;
  readonly serving_lookup: (count: number) => number;
  readonly serving_upsert: (count: number) => number;
  readonly serving_upsert_packed: (count: number, precision: number) => number;
  readonly serving_remove: (count: number) => number;
  readonly serving_begin_fill: () => number;
  readonly serving_end_fill: () => number;
}
