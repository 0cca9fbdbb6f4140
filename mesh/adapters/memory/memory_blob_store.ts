/**
 * Blobs in memory, for `storage: memory`, tests and the simulation.
 */
import type { BlobStore } from "../../ports/blob_store.ts";

export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array>();

  put(name: string, bytes: Uint8Array): Promise<void> {
    this.#blobs.set(name, bytes.slice());
    return Promise.resolve();
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blobs.get(name)?.slice());
  }

  list(prefix: string): Promise<string[]> {
    return Promise.resolve(
      [...this.#blobs.keys()].filter((name) => name.startsWith(prefix)).sort(),
    );
  }

  delete(name: string): Promise<void> {
    this.#blobs.delete(name);
    return Promise.resolve();
  }

  /** None: a put is finished at once. */
  listUnfinished(_prefix: string): Promise<string[]> {
    return Promise.resolve([]);
  }

  deleteUnfinished(_name: string): Promise<void> {
    return Promise.resolve();
  }
}
