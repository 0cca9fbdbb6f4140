/**
 * Blobs in memory, with the bytes of puts whose processes were killed.
 */
import { MemoryBlobStore } from "../mesh/adapters/memory/memory_blob_store.ts";

export class UnfinishedBlobStore extends MemoryBlobStore {
  readonly #unfinished = new Set<string>();

  /** A process is killed while it puts a blob. */
  killIn(name: string): void {
    this.#unfinished.add(name);
  }

  override listUnfinished(prefix: string): Promise<string[]> {
    return Promise.resolve([...this.#unfinished].filter((name) => name.startsWith(prefix)).sort());
  }

  override deleteUnfinished(name: string): Promise<void> {
    this.#unfinished.delete(name);
    return Promise.resolve();
  }
}
