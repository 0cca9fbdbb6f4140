/**
 * The checkpoints of feature keepers in the blob store: each keeper has a folder for its number.
 */
import { type BlobStore, deleteUnfinishedPuts } from "../mesh/ports/blob_store.ts";

const PREFIX = "keeper/";

/** Prefix of the names of a keeper's blobs. */
export function keeperFolder(keeper: number): string {
  return `${PREFIX}${keeper}/`;
}

/** Deletes the checkpoints of keepers that no longer exist: those numbered from `keepers` on. */
export async function deleteCheckpointsFrom(blobs: BlobStore, keepers: number): Promise<void> {
  const isGone = (name: string) => Number(name.slice(PREFIX.length).split("/")[0]) >= keepers;
  for (const name of (await blobs.list(PREFIX)).filter(isGone)) await blobs.delete(name);
  await deleteUnfinishedPuts(blobs, PREFIX, isGone);
}
