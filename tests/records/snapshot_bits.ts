/**
 * The state in the newest snapshot: every row with its optimizer state, the dense models and the
 * trainers' judgements.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart } from "../../records/snapshot_parts.ts";
import type { TrainerState } from "../../records/trainer_state.ts";
import { present } from "../../structures/invariant.ts";
import { savedShard } from "./snapshot_rows.ts";

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
  for (const part of shards) {
    for (const [holds, saved] of Object.entries(await savedShard(blobs, part))) {
      for (const [key, bytes] of saved as ReadonlyMap<string, Uint8Array>) {
        rows.push(`shard ${part.shard} ${holds} ${key} ${[...bytes].join(" ")}`);
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
