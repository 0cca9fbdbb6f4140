/** The kernel's batch exports. See ABI.md, "Batch". */
import type { KernelExports } from "./kernel_module.ts";
import type { Reserve } from "./kernel_refusals.ts";

export interface BatchExports extends KernelExports {
  readonly batch_ids: Reserve;
  readonly batch_inverse: Reserve;
  readonly batch_offsets: Reserve;
  readonly batch_slots: Reserve;
  readonly batch_bytes: Reserve;
  readonly batch_rows: Reserve;
  readonly batch_pooled: Reserve;
  readonly batch_gradients: Reserve;
  readonly batch_plan: Reserve;
  readonly batch_groups: Reserve;
  readonly batch_classes: () => number;
  readonly batch_unique: (length: number, shards: number) => number;
  readonly batch_unique_result: (which: number) => number;
  readonly batch_pool_plan: (plan: number, words: number) => number;
  readonly batch_pool: (
    plan: number,
    rowFloats: number,
    pooledStart: number,
    pooledFloats: number,
    ids: number,
    lists: number,
    groups: number,
  ) => number;
  readonly batch_pool_gradient: (pooledFloats: number, rowFloats: number) => number;
  readonly batch_hash: (length: number) => number;
  readonly batch_crc32c: (crc: number, length: number) => number;
}
