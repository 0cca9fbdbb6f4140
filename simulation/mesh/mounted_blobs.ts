/**
 * The store of blobs at the mount point of a host: an empty folder while its volume is away.
 */
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";

/** @param isAway Whether the volume is away at this moment. */
export function mountedBlobs(volume: BlobStore, isAway: () => boolean): BlobStore {
  const folder = new MemoryBlobStore();
  const store = () => isAway() ? folder : volume;
  return {
    put: (name, bytes) => store().put(name, bytes),
    get: (name) => store().get(name),
    list: (prefix) => store().list(prefix),
    delete: (name) => store().delete(name),
    listUnfinished: (prefix) => store().listUnfinished(prefix),
    deleteUnfinished: (name) => store().deleteUnfinished(name),
  };
}
