/** The memory of a table's instance as typed arrays. See ABI.md, "Buffers of a table". */
import { instantiateKernel } from "./kernel_module.ts";
import { type Reserve, reserveBuffer } from "./kernel_refusals.ts";
import type { FeatureIds } from "./options.ts";
import type { TableExports } from "./table_exports.ts";

/**
 * Floats that a lookup copies out at a time, 64 KiB: rows are still in the second-level cache then.
 * Lookups of dim 64 take a seventh less with it.
 */
const PIECE_FLOATS = 1 << 14;
/** Lower bound of the ids of a piece, since a search for fewer takes nearly as long. */
const PIECE_IDS_MIN = 256;

/** Ids to look up, and arrays for the answer. */
export interface Lookup {
  readonly ids: FeatureIds;
  /** Weights of a row. */
  readonly width: number;
  /** Shape `[ids, width]`. */
  readonly out: Float32Array;
  /** Shape `[ids]`. */
  readonly found: Uint8Array | undefined;
  /** Whether the kernel gets all ids in one call. */
  readonly isWhole: boolean;
}

/** Whether a view is alive and lies there: a view that died has length 0 and begins at 0. */
function isAt(view: ArrayBufferView, address: number, length: number): boolean {
  return view.byteOffset === address && (view as Uint8Array).length === length;
}

/**
 * The memory of one instance with a table. Views die whenever the kernel's memory grows, so callers
 * ask for a view before each use; no other class makes views of a table's memory. The views that a
 * lookup needs are used again while they are alive, since making one takes as long as ten rows.
 */
export class KernelMemory {
  readonly kernel: TableExports;
  #ids = new BigUint64Array();
  #floats = new Float32Array();
  #bytes = new Uint8Array();

  constructor() {
    this.kernel = instantiateKernel<TableExports>();
  }

  get #buffer(): ArrayBuffer {
    return this.kernel.memory.buffer as ArrayBuffer;
  }

  #address(reserve: Reserve, length: number): number {
    return reserveBuffer("use a table", reserve, length);
  }

  /**
   * Reserves all buffers of a call before their views are made: each reservation may move all
   * views.
   */
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

  /**
   * Copies ids in, calls `find`, and copies rows and flags out, a piece of the ids at a time.
   *
   * @param find Looks up the given number of ids.
   * @returns Sum of what `find` returned.
   */
  lookUp({ ids, width, out, found, isWhole }: Lookup, find: (ids: number) => number): number {
    const idsAtOnce = isWhole
      ? Math.max(1, ids.length)
      : Math.max(PIECE_IDS_MIN, Math.floor(PIECE_FLOATS / width));
    const longest = Math.min(ids.length, idsAtOnce);
    this.reserve({ ids: longest, floats: longest * width, bytes: longest });
    let sum = 0;
    for (let first = 0; first < ids.length; first += idsAtOnce) {
      const piece = ids.subarray(first, first + idsAtOnce);
      this.ids(piece.length).set(piece);
      sum += find(piece.length);
      out.set(this.floats(piece.length * width), first * width);
      found?.set(this.bytes(piece.length), first);
    }
    return sum;
  }

  removed(length: number): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.#buffer, this.kernel.table_removed() >>> 0, length);
  }
}
