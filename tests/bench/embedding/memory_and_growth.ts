/** Memory of a key besides its row, and the longest call while a table grows. */
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { FeatureIds } from "../../../kernels/embedding/options.ts";
import { adagradTable, timed } from "./cairn_contender.ts";

export interface MemoryLine {
  readonly bench: "memory";
  readonly keys: number;
  readonly dim: number;
  /** All bytes of the table beyond the floats of its rows (weights and state), by key. */
  readonly bytesPerKey: number;
  /** Rows over index cells. */
  readonly load: number;
}

export interface GrowthLine {
  readonly bench: "growth";
  readonly keys: number;
  readonly dim: number;
  readonly batch: number;
  readonly pauseMsMax: number;
  readonly pauseMsP999: number;
}

export function measureMemory(keys: FeatureIds, dim: number): MemoryLine {
  const table = EmbeddingTable.create(adagradTable(dim));
  const rows = new Float32Array(4096 * dim);
  for (let start = 0; start < keys.length; start += 4096) {
    const ids = keys.subarray(start, start + 4096);
    table.assign(ids, rows.subarray(0, ids.length * dim), 0);
  }
  const { rows: held, bytes, load } = table.statistics();
  return { bench: "memory", keys: held, dim, bytesPerKey: bytes / held - 2 * dim * 4, load };
}

/**
 * The growth pauses of a run are at the same batches in every run, unlike pauses by other work on
 * the machine. So the pause of a batch is its shortest time over the runs; the longest of these is
 * reported.
 */
export function measureGrowth(
  keyCount: number,
  dim: number,
  batch: number,
  runs: number,
): GrowthLine {
  const batches = Math.ceil(keyCount / batch);
  const pauses = new Float64Array(batches).fill(Infinity);
  const rows = new Float32Array(batch * dim);
  const words = new Uint32Array(2 * batch);
  const ids = new BigUint64Array(words.buffer);
  for (let run = 0; run < runs; run++) {
    const table = EmbeddingTable.create(adagradTable(dim));
    for (let index = 0; index < batches; index++) {
      for (let key = 0; key < batch; key++) words[2 * key] = index * batch + key;
      const pause = timed(() => table.assign(ids, rows, 0)) / 1e6;
      pauses[index] = Math.min(pauses[index], pause);
    }
    if (table.statistics().rows !== batches * batch) throw new Error("A key got no row");
  }
  pauses.sort();
  const pauseMsP999 = pauses[Math.floor(batches * 0.999)];
  return {
    bench: "growth",
    keys: batches * batch,
    dim,
    batch,
    pauseMsMax: pauses[batches - 1],
    pauseMsP999,
  };
}
