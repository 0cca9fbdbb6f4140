/** Statistics of a table. */
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";

/** Statistics of any table. */
export interface StoreStatistics {
  readonly rows: number;
  /** Rows over index cells. */
  readonly load: number;
  /** Bytes claimed of `bytesMax`: pages, indexes, counters. */
  readonly bytes: number;
  /** Bytes of a row: id, stamp, weights, state. */
  readonly rowBytes: number;
  /**
   * Rows whose entry lies in its first and in its other bucket; only if asked for, since it visits
   * every row.
   */
  readonly displacement?: readonly [inFirst: number, inOther: number];
}

/** Statistics of a training table; counts are since the table was made. */
export interface TableStatistics extends StoreStatistics {
  /** Changed rows and tombstones that the consumer furthest behind has not received. */
  readonly touched: number;
  readonly lookups: number;
  readonly missing: number;
  readonly admitted: number;
  readonly filtered: number;
  readonly evicted: number;
  /** Updates refused: no room under `bytesMax`, or a gradient that no row may apply. */
  readonly rejected: number;
  readonly updated: number;
  /** Newest update time seen, seconds. */
  readonly clockSeconds: number;
}

const STORE_WORDS = 6;

function read(memory: KernelMemory, thorough: boolean): Float64Array {
  const words = requireAccepted(
    "read statistics",
    memory.kernel.table_statistics(Number(thorough)),
  );
  return memory.words(words).slice();
}

function store(words: Float64Array, thorough: boolean): StoreStatistics {
  const [rows, cells, bytes, rowBytes, inFirst, inOther] = words;
  return {
    rows,
    load: rows / cells,
    bytes,
    rowBytes,
    ...(thorough ? { displacement: [inFirst, inOther] as const } : {}),
  };
}

/**
 * Number of buckets of the index that hold 0, 1, … 10 entries; full buckets make insertion slow.
 * Visits every bucket.
 */
export function readEntriesPerBucket(memory: KernelMemory): Float64Array {
  const words = requireAccepted("read the index", memory.kernel.table_entries_per_bucket());
  return memory.words(words).slice();
}

/** Statistics of a serving table. */
export function readStoreStatistics(memory: KernelMemory, thorough: boolean): StoreStatistics {
  return store(read(memory, thorough), thorough);
}

/** Statistics of a training table. */
export function readTableStatistics(memory: KernelMemory, thorough: boolean): TableStatistics {
  const words = read(memory, thorough);
  const [touched, lookups, missing, admitted, filtered, evicted, rejected, updated, clockSeconds] =
    words.subarray(STORE_WORDS);
  return {
    ...store(words, thorough),
    touched,
    lookups,
    missing,
    admitted,
    filtered,
    evicted,
    rejected,
    updated,
    clockSeconds,
  };
}
