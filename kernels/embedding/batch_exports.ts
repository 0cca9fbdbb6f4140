/** The kernel's batch exports, and how their refusals become errors. See ABI.md, "Batch". */
import type { KernelExports } from "./kernel_module.ts";

/** A reserve function returns the address of a buffer of at least `length` elements, 0 when memory is short. */
type Reserve = (length: number) => number;

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
  readonly batch_pool_plan: (words: number) => number;
  readonly batch_pool: (
    rowFloats: number,
    pooledFloats: number,
    ids: number,
    lists: number,
    groups: number,
  ) => number;
  readonly batch_pool_gradient: (pooledFloats: number, rowFloats: number) => number;
  readonly batch_sum: (unique: number, width: number, ids: number) => number;
  readonly batch_hash: (length: number) => number;
  readonly batch_crc32c: (crc: number, length: number) => number;
}

const REFUSALS: Readonly<Record<number, string>> = {
  [-1]: "a length is out of range",
  [-2]: "buffer lengths do not fit the shape",
  [-3]: "offsets must ascend, stay inside their buffer and be of whole examples",
  [-4]: "a position points past the unique rows",
  [-5]: "the plan does not fit its rows or leaves a gap in an input",
  [-6]: "slots must be at most 32,767",
  [-7]: "group starts must ascend and be of whole shards",
  [-8]: "an id's row is of another class than its slot's: the ids were made under another schema",
  [-9]: "there is no memory for it; use smaller batches",
};

/** Returns a status of 0 or more, or throws what it refuses. */
export function accepted(action: string, status: number): number {
  if (status >= 0) return status;
  throw new RangeError(`Cannot ${action}: ${REFUSALS[status] ?? `status ${status}`}`);
}

/** Reserves a buffer, or throws. */
export function reserved(action: string, reserve: Reserve, length: number): number {
  // Addresses above 2 GB come as negative numbers.
  const address = reserve(length) >>> 0;
  if (address !== 0) return address;
  throw new RangeError(
    `Cannot ${action}: no memory for ${length} elements; use smaller batches`,
  );
}
