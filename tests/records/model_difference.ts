/**
 * How far two models lie apart, from their newest snapshots.
 */
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart, readPart, type ShardHeader } from "../../records/snapshot_parts.ts";
import type { TrainerState } from "../../records/trainer_state.ts";
import { present } from "../../structures/invariant.ts";
import { savedShard } from "./snapshot_rows.ts";

export interface ModelDifference {
  /** Root of the mean squared difference of all weights of rows, in units of their own root. */
  readonly rows: number;
  /** The same of the dense weights. */
  readonly dense: number;
  /** Rows that only one of them has. */
  readonly unmatched: number;
}

/** Weights by the row's class and feature id, and the dense weights of the first trainer. */
interface Weights {
  readonly rows: ReadonlyMap<string, Float32Array>;
  readonly dense: Float32Array;
}

export async function modelDifference(
  left: BlobStore,
  right: BlobStore,
): Promise<ModelDifference> {
  const [a, b] = [await weightsIn(left), await weightsIn(right)];
  const shared = [...a.rows.keys()].filter((key) => b.rows.has(key));
  const all = ({ rows }: Weights) => shared.flatMap((key) => [...present(rows.get(key), key)]);
  return {
    rows: relativeDifference(all(a), all(b)),
    dense: relativeDifference(a.dense, b.dense),
    unmatched: a.rows.size + b.rows.size - 2 * shared.length,
  };
}

function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

async function weightsIn(blobs: BlobStore): Promise<Weights> {
  const kernel = BatchKernel.create();
  const [{ shards, trainers }] = await readManifests(blobs);
  const rows = new Map<string, Float32Array>();
  for (const part of shards) {
    const { classes } = decodePart<ShardHeader>(await readPart(blobs, kernel, part.header));
    for (const [key, saved] of (await savedShard(blobs, part)).rows) {
      const { slices } = classes[Number(key.split(" ")[0])].schema;
      const width = slices.reduce((sum, { dim }) => sum + dim, 0);
      // Behind the id and the time of the last update (docs/data_on_disk.md).
      rows.set(key, new Float32Array(saved.slice(12, 12 + 4 * width).buffer));
    }
  }
  const state = decodePart<TrainerState>(await readPart(blobs, kernel, trainers[0].checkpoint));
  return { rows, dense: present(state.model.vectors.weights, "a model has weights") };
}
