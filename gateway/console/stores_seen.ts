/**
 * The snapshots and the examples that were put aside, as rows of the console's tables.
 */
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readQuarantines, rowText, stretchText } from "../../records/quarantine.ts";
import {
  listPinned,
  readManifests,
  sequenceOf,
  snapshotBytes,
  type SnapshotManifest,
} from "../../records/snapshot_manifest.ts";

/** Rows of each trainer that are shown. */
const ROWS_SHOWN = 20;

export interface SnapshotSeen {
  readonly name: string;
  readonly atMs: number;
  readonly rowsLearned: number;
  readonly bytes: number;
  /** Number of the example log's partitions. */
  readonly partitions: number;
  readonly shards: number;
  readonly isPinned: boolean;
}

/** An example that was refused, or a stretch of examples that was passed over. */
export interface PutAsideSeen {
  readonly trainer: string;
  readonly atMs: number;
  /** Number of the row in the trainer's partition, or of the first and the last. */
  readonly rows: string;
  readonly reason: string;
}

export interface StoresSeen {
  /** Newest first. */
  readonly snapshots: readonly SnapshotSeen[];
  /** Newest first. */
  readonly putAside: readonly PutAsideSeen[];
  /** Rows put aside by all trainers, also those that are no longer stored. */
  readonly putAsideCount: number;
  /** Why one of the lists cannot be read. */
  readonly failures: readonly string[];
}

export async function storesSeen(blobs: BlobStore): Promise<StoresSeen> {
  const failures: string[] = [];
  const note = (error: unknown): never[] => {
    failures.push(reasonOf(error));
    return [];
  };
  const [manifests, pinned, quarantines] = await Promise.all([
    readManifests(blobs, note).catch<SnapshotManifest[]>(note),
    listPinned(blobs).catch<string[]>(note),
    readQuarantines(blobs).catch<never[]>(note),
  ]);
  const putAside = quarantines.flatMap(({ trainer, quarantine: { rows, skipped } }) => [
    ...rows.slice(-ROWS_SHOWN).map((refused) => ({
      trainer,
      atMs: refused.refusedAtMs,
      rows: rowText(refused),
      reason: refused.reason,
    })),
    ...skipped.slice(-ROWS_SHOWN).map((stretch) => ({
      trainer,
      atMs: stretch.skippedAtMs,
      rows: stretchText(stretch),
      reason: stretch.reason,
    })),
  ]);
  return {
    snapshots: manifests.map((manifest) => ({
      name: manifest.name.slice(manifest.name.indexOf("/") + 1),
      atMs: manifest.atMs,
      rowsLearned: sequenceOf(manifest),
      bytes: snapshotBytes(manifest),
      partitions: manifest.trainers.length,
      shards: manifest.shards.length,
      isPinned: pinned.includes(manifest.name),
    })),
    putAside: putAside.sort((a, b) => b.atMs - a.atMs),
    putAsideCount: quarantines.reduce((sum, { quarantine }) => sum + quarantine.rowsRefused, 0),
    failures,
  };
}
