/** What a table tells about itself. */
import type { KernelMemory } from "./kernel_memory.ts";
import { accepted } from "./kernel_refusals.ts";

/** Of any table. */
export interface StoreStatistics {
  readonly rows: number;
  /** Rows over index cells. */
  readonly load: number;
  /** Claimed against `bytesMax`: pages, indexes, counters. */
  readonly bytes: number;
  /** One row: id, stamp, weights, state. */
  readonly rowBytes: number;
  /** Rows whose index entry lies in its first and in its other bucket; only where asked for, for it visits every row. */
  readonly displacement?: readonly [inFirst: number, inOther: number];
}

/** Of a training table; counts run since the table was made. */
export interface TableStatistics extends StoreStatistics {
  /** Changed rows and tombstones that wait for the consumer that is furthest behind. */
  readonly touched: number;
  readonly lookups: number;
  readonly missing: number;
  readonly admitted: number;
  readonly filtered: number;
  readonly evicted: number;
  /** Updates refused: no room under `bytesMax`, or a gradient that no row may learn from. */
  readonly rejected: number;
  readonly updated: number;
  /** Newest update time seen, seconds. */
  readonly clockSeconds: number;
}

const STORE_WORDS = 6;

function read(memory: KernelMemory, thorough: boolean): Float64Array {
  const words = accepted("read statistics", memory.kernel.table_statistics(Number(thorough)));
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

/** How many buckets of the index hold 0, 1, … 16 entries: those that are full make insertions dear. Visits every bucket. */
export function readEntriesPerBucket(memory: KernelMemory): Float64Array {
  const words = accepted("read the index", memory.kernel.table_entries_per_bucket());
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
