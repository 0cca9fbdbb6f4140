/**
 * Named immutable blobs: snapshots and their manifests.
 */
export interface BlobStore {
  /** Writes to a temporary name, syncs, then renames: a reader sees all of it or none. Replaces an older blob. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, or undefined where there is no such blob. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Names that begin with `prefix`, ascending. */
  list(prefix: string): Promise<string[]>;
  /** Deleting what is not there is no error. */
  delete(name: string): Promise<void>;
}
