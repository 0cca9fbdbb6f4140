/**
 * Puts the blobs of a backup into a store that has lost its own: the snapshot with its position in
 * the logs, the checkpoints of kept features, the rows that trainers put aside, and the receipts of
 * erasures.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { listSnapshots, manifestName } from "../../records/snapshot_manifest.ts";
import { RestoreError } from "./restore_snapshot.ts";
import { verifySnapshot } from "./verify_snapshot.ts";

export interface RestoredBlobs {
  readonly blobs: number;
  readonly bytes: number;
  /** Name of the newest snapshot. */
  readonly snapshot: string;
}

/**
 * Copies all blobs, the manifests last. May be repeated where it was interrupted before them.
 *
 * @param requireHeld Called before them; rejects where others use the store by now.
 * @throws {RestoreError} The backup has no whole snapshot, or the store has one; nothing has
 * changed.
 * @throws {BlobDamagedError | BlobStoreError} A blob cannot be read or written.
 */
export async function restoreBlobs(
  source: BlobStore,
  target: BlobStore,
  requireHeld: () => Promise<void>,
): Promise<RestoredBlobs> {
  const [found] = await listSnapshots(target);
  if (found !== undefined) {
    throw new RestoreError(
      `The store has ${found}, and is not lost. Go back to a snapshot of it by cairn snapshot ` +
        "restore, or give it an empty bucket, prefix or folder.",
    );
  }
  const snapshots = await listSnapshots(source);
  if (snapshots.length === 0) throw new RestoreError("There is no snapshot in the backup.");
  for (const snapshot of snapshots) {
    const { problems } = await verifySnapshot(source, snapshot);
    if (problems.length > 0) {
      throw new RestoreError(`The backup is not whole: ${problems.join("; ")}. Take another one.`);
    }
  }
  const manifests = snapshots.map(manifestName);
  const parts = (await source.list("")).filter((name) => !manifests.includes(name));
  const restored = { blobs: 0, bytes: 0, snapshot: snapshots[0] };
  for (const name of [...parts, ...manifests]) {
    if (name === manifests[0]) await requireHeld();
    const bytes = await source.get(name);
    if (bytes === undefined) throw new RestoreError(`The backup has lost ${name} meanwhile.`);
    await target.put(name, bytes);
    restored.blobs++;
    restored.bytes += bytes.byteLength;
  }
  return restored;
}
