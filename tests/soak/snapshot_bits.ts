/**
 * The state of a stopped server, from its newest snapshot: every row with its optimizer state, and
 * the dense model.
 */
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import type { TrainingCheckpoint } from "../../kernels/dense/training_session.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart } from "../../records/snapshot_parts.ts";
import { present } from "../../structures/invariant.ts";

export interface SnapshotBits {
  /** Sorted, since the order of rows in a table depends on its history. */
  readonly rows: readonly string[];
  readonly trainers: readonly unknown[];
}

export async function snapshotBits(directory: string): Promise<SnapshotBits> {
  const blobs = new DirectoryBlobStore(`${directory}/blobs`);
  const [{ shards, trainers }] = await readManifests(blobs);
  const read = async (name: string) => present(await blobs.get(name), name);
  const rows: string[] = [];
  for (const { shard, chunks } of shards) {
    for (const { name, holds, rows: count, class: rowClass } of chunks) {
      const bytes = await read(name);
      const rowBytes = holds === "rows" ? bytes.byteLength / count : bytes.byteLength;
      for (let at = 0; at < bytes.byteLength; at += rowBytes) {
        const row = bytes.subarray(at, at + rowBytes);
        rows.push(`shard ${shard} ${holds} ${rowClass} ${[...row].join(" ")}`);
      }
    }
  }
  const checkpoints = await Promise.all(trainers.map(async ({ checkpoint, sequence }) => {
    const part = decodePart<TrainingCheckpoint>(await read(checkpoint.name));
    return { vectors: part.vectors, step: part.step, recentLoss: part.recentLoss, sequence };
  }));
  return { rows: rows.sort(), trainers: checkpoints };
}
