/**
 * The state in the newest snapshot: every row with its optimizer state, the dense models and the
 * trainers' judgements.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart } from "../../records/snapshot_parts.ts";
import type { TrainerState } from "../../records/trainer_state.ts";
import { present } from "../../structures/invariant.ts";

export interface SnapshotBits {
  /** Sorted, since the order of rows in a table depends on its history. */
  readonly rows: readonly string[];
  /** By partition. */
  readonly trainers: readonly (TrainerState & { readonly sequence: number })[];
}

export async function snapshotBits(blobs: BlobStore): Promise<SnapshotBits> {
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
  return {
    rows: rows.sort(),
    trainers: await Promise.all(trainers.map(async ({ checkpoint, sequence }) => {
      return { ...decodePart<TrainerState>(await read(checkpoint.name)), sequence };
    })),
  };
}
