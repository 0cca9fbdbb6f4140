/**
 * Named immutable blobs: snapshots and their manifests.
 */
/** A store of blobs by name; a slash in a name makes a folder. */
export interface BlobStore {
  /**
   * Writes a blob, in place of an older one of the name. Resolves when it is durable; a reader sees
   * all of it or none.
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * The blob's bytes; undefined where there is no such blob.
   *
   * @throws {BlobDamagedError} The bytes are not the ones that were put.
   */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Names that begin with `prefix`, ascending. */
  list(prefix: string): Promise<string[]>;
  /** Deletes a blob, if there is one. Resolves when the deletion is durable. */
  delete(name: string): Promise<void>;
  /**
   * Names, ascending, of the blobs of which bytes are stored by an unfinished put: a put in
   * progress, or the put of a process that was killed. {@link list} does not show it.
   */
  listUnfinished(prefix: string): Promise<string[]>;
  /**
   * Deletes the bytes of unfinished puts of a blob, and leaves the blob as it is. A put in progress
   * fails by that. Resolves when the deletion is durable.
   */
  deleteUnfinished(name: string): Promise<void>;
}

/** Deletes the bytes of the unfinished puts below a prefix, or of `which` of them, by blob. */
export async function deleteUnfinishedPuts(
  blobs: Pick<BlobStore, "listUnfinished" | "deleteUnfinished">,
  prefix: string,
  which: (name: string) => boolean = () => true,
): Promise<void> {
  const names = await blobs.listUnfinished(prefix);
  for (const name of names.filter(which)) await blobs.deleteUnfinished(name);
}

/** A store refuses a request, or does not answer; it tells nothing about the blob. */
export abstract class BlobStoreError extends Error {}

/** A blob's stored bytes are not the ones that were put. */
export class BlobDamagedError extends Error {
  override readonly name = "BlobDamagedError";
  constructor(readonly blob: string, readonly path: string, readonly reason: string) {
    super(
      `Cannot read ${path}: ${reason}. Restore the file from a copy, or delete it with the snapshot that it belongs to.`,
    );
  }
}
