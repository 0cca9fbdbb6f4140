/**
 * The store of blobs at the mount point of a host: another folder while its volume is away.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";

/** @param folder The folder at this moment; undefined while the volume is mounted. */
export function mountedBlobs(
  volume: BlobStore,
  folder: () => BlobStore | undefined,
): BlobStore {
  const store = () => folder() ?? volume;
  return {
    put: (name, bytes) => store().put(name, bytes),
    get: (name) => store().get(name),
    list: (prefix) => store().list(prefix),
    delete: (name) => store().delete(name),
    listUnfinished: (prefix) => store().listUnfinished(prefix),
    deleteUnfinished: (name) => store().deleteUnfinished(name),
  };
}
