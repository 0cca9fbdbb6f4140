/**
 * A shard that two sources teach, for tests of its moves: its options, the batches of each source,
 * and the tables of a shard that got the same batches and never moved.
 */
import type { EmbeddingShardOptions } from "../../actors/embedding_shard/options.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ClassTables, type ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";

export const DIM = 8;

const tables: ClassTablesOptions = {
  seed: 3,
  bytesMax: 32 << 20,
  atLimit: "reject",
  classes: [{
    slices: [{
      name: "embeddings",
      dim: DIM,
      initializer: { kind: "uniform", low: -1, high: 1 },
      optimizer: { kind: "adam", learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 0.01 },
    }],
    slots: [
      { number: 1, admission: { kind: "threshold", threshold: 2 } },
      { number: 2, admission: { kind: "threshold", threshold: 0 } },
    ],
  }],
};

export const options: EmbeddingShardOptions = {
  shard: 0,
  shards: 1,
  tables,
  slotNames: { 1: "user", 2: "item" },
  evictionIntervalMs: 50,
  evictionBucketsMax: 16,
  awaitedBytesMax: Infinity,
  snapshotChunkRows: 64,
};

const KERNEL = BatchKernel.create([{ slots: [] }]);

/** A batch of one source, the same in every run. Sources share no id. */
export function batchOf(source: number, sequence: number) {
  const values = Array.from({ length: 40 }, (_, i) => (sequence * 7 + i * i) % 300 + i % 3 * 1_000);
  const slot = (value: number) => BigInt(1 + value % 2) << 48n;
  const ids = values.map((value) => slot(value) | BigInt(value * 2 + source));
  const grouped = KERNEL.unique(BigUint64Array.from(ids), 1);
  const gradients = Float32Array.from(
    { length: grouped.uniqueIds.length * DIM },
    (_, i) => Math.sin(i * 0.37 + sequence + source),
  );
  return { grouped, gradients, sequence, atMs: sequence * 400 };
}

/** The state of tables that got the same batches and never moved. */
export function unmoved(batches: readonly number[]) {
  const still = ClassTables.create(tables);
  for (const [source, count] of batches.entries()) {
    for (let sequence = 1; sequence <= count; sequence++) {
      const { grouped: { uniqueIds, groupStarts, counts }, gradients, atMs } = batchOf(
        source,
        sequence,
      );
      still.applyGradients(
        { ids: uniqueIds, starts: groupStarts },
        gradients,
        counts,
        Math.floor(atMs / 1_000),
      );
    }
  }
  return still;
}
