/** The kernel's table exports, and how their refusals become errors. See ABI.md, "Tables". */
import { instantiateKernel, type KernelExports } from "./kernel_module.ts";

/** What this file speaks; the kernel says what it speaks. */
const ABI_VERSION = 4;

type Reserve = (length: number) => number;

export interface TableExports extends KernelExports {
  readonly abi_version: () => number;
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
  readonly table_export_rows: (cursor: number, rowsMax: number) => number;
  readonly table_snapshot_begin: () => number;
  readonly table_snapshot_next: (rowsMax: number) => number;
  readonly table_snapshot_aside: () => number;
  readonly table_snapshot_end: () => number;
  readonly table_restore_begin: (seconds: number, draws: number) => number;
  readonly table_restore_counters: (newest: number, bytes: number, checksum: number) => number;
  readonly table_restore_rows: (bytes: number, checksum: number, words: number) => number;
  readonly table_layout: () => number;
  readonly table_limit: (bytesMax: number) => number;
  readonly table_entries_per_bucket: () => number;
  readonly table_statistics: (thorough: number) => number;
  readonly serving_create: (width: number, precision: number, bytesMax: number) => number;
  readonly serving_lookup: (count: number) => number;
  readonly serving_upsert: (count: number) => number;
  readonly serving_remove: (count: number) => number;
  readonly serving_begin_fill: () => number;
  readonly serving_end_fill: () => number;
}

const REFUSALS: Readonly<Record<number, string>> = {
  [-1]: "this instance holds no table of this kind",
  [-2]: "a length is out of range",
  [-3]: "a code or value is out of range",
  [-4]: "the memory limit is too small for it, or the host has no more",
  [-5]: "consumers are numbered from 0 to 3, and begin before they take",
  [-6]: "the acknowledged sequence is behind one acknowledged before, or was never given",
  [-7]: "no snapshot is under way, or updates outran it and it must begin anew",
  [-8]: "the checksum does not match: the bytes are not what was written",
};

/** Returns a status of 0 or more, or throws what it refuses. */
export function accepted(action: string, status: number): number {
  if (status >= 0) return status;
  const reason = status <= -1000
    ? `word ${-1000 - status} of the encoded options is out of range`
    : REFUSALS[status] ?? `status ${status}`;
  throw new RangeError(`Cannot ${action}: ${reason}`);
}

/** Whether a view still is what it would be if it were made anew: one that died has no length and begins at 0. */
function isAt(view: ArrayBufferView, address: number, length: number): boolean {
  return view.byteOffset === address && (view as Uint8Array).length === length;
}

/**
 * One instance's memory. Views die whenever the kernel's memory grows, so each is asked for before every use; this class
 * and nothing else makes them. What a lookup needs is kept from one to the next, for making it takes as long as ten rows.
 */
export class KernelMemory {
  readonly kernel: TableExports;
  #ids = new BigUint64Array();
  #floats = new Float32Array();
  #bytes = new Uint8Array();

  constructor() {
    this.kernel = instantiateKernel<TableExports>();
    const version = this.kernel.abi_version();
    if (version !== ABI_VERSION) {
      throw new Error(
        `Cannot use the embedding kernel: it speaks ABI ${version}, this program ${ABI_VERSION}; rebuild kernel.wasm`,
      );
    }
  }

  get #buffer(): ArrayBuffer {
    return this.kernel.memory.buffer as ArrayBuffer;
  }

  #address(reserve: Reserve, length: number): number {
    // Addresses above 2 GB come as negative numbers.
    const address = reserve(length) >>> 0;
    if (address === 0) {
      throw new RangeError(
        `Cannot reserve ${length} elements in the kernel's memory: it is full; use smaller batches`,
      );
    }
    return address;
  }

  /** Reserves first, all of it, because reserving may move every view. */
  reserve(lengths: { ids?: number; floats?: number; counts?: number; bytes?: number }): void {
    if (lengths.ids !== undefined) this.#address(this.kernel.table_ids, lengths.ids);
    if (lengths.floats !== undefined) this.#address(this.kernel.table_floats, lengths.floats);
    if (lengths.counts !== undefined) this.#address(this.kernel.table_counts, lengths.counts);
    if (lengths.bytes !== undefined) this.#address(this.kernel.table_bytes, lengths.bytes);
  }

  ids(length: number): BigUint64Array<ArrayBuffer> {
    const address = this.#address(this.kernel.table_ids, length);
    if (!isAt(this.#ids, address, length)) {
      this.#ids = new BigUint64Array(this.#buffer, address, length);
    }
    return this.#ids;
  }

  floats(length: number): Float32Array<ArrayBuffer> {
    const address = this.#address(this.kernel.table_floats, length);
    if (!isAt(this.#floats, address, length)) {
      this.#floats = new Float32Array(this.#buffer, address, length);
    }
    return this.#floats;
  }

  counts(length: number): Uint32Array<ArrayBuffer> {
    const address = this.#address(this.kernel.table_counts, length);
    return new Uint32Array(this.#buffer, address, length);
  }

  words(length: number): Float64Array<ArrayBuffer> {
    const address = this.#address(this.kernel.table_words, length);
    return new Float64Array(this.#buffer, address, length);
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const address = this.#address(this.kernel.table_bytes, length);
    if (!isAt(this.#bytes, address, length)) {
      this.#bytes = new Uint8Array(this.#buffer, address, length);
    }
    return this.#bytes;
  }

  removed(length: number): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.#buffer, this.kernel.table_removed() >>> 0, length);
  }
}
