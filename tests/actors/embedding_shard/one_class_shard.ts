/**
 * Options of a shard whose rows are one embedding that begins with zeros and learns by SGD.
 */
import type { EmbeddingShardOptions } from "../../../actors/embedding_shard/options.ts";

export interface OneClass {
  readonly dim: number;
  readonly learningRate: number;
  readonly snapshotChunkRows: number;
}

export function oneClassShard(
  { dim, learningRate, snapshotChunkRows }: OneClass,
): EmbeddingShardOptions {
  return {
    shard: 0,
    shards: 1,
    tables: {
      seed: 1,
      classes: [{
        slices: [{
          name: "embeddings",
          dim,
          initializer: { kind: "zeros" },
          optimizer: { kind: "sgd", learningRate },
        }],
        slots: [],
      }],
      bytesMax: 1 << 20,
      atLimit: "reject",
    },
    slotNames: {},
    evictionIntervalMs: 1_000,
    evictionBucketsMax: 1_024,
    awaitedBytesMax: Infinity,
    snapshotChunkRows,
  };
}
