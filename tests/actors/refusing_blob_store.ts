/**
 * A blob store that refuses writes of some names, as on a full disk.
 */
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";

export class RefusingBlobStore extends MemoryBlobStore {
  /** Prefix of the names that are refused; undefined = none. */
  refused: string | undefined;
  puts = 0;
  /** Holds the refusals back, as a store that does not answer. */
  until: Promise<void> | undefined;

  override put(name: string, bytes: Uint8Array): Promise<void> {
    this.puts++;
    if (this.refused !== undefined && name.startsWith(this.refused)) {
      const refusal = new Error("No space left on device");
      return Promise.resolve(this.until).then(() => Promise.reject(refusal));
    }
    return super.put(name, bytes);
  }
}
