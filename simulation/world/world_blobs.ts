/**
 * The blob store port over blobs that outlive the process. A blob under way when the process dies
 * is there as a whole or not at all.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { NodeClock } from "./node_clock.ts";
import type { DiskTimes } from "./world_log.ts";

/** Observes the blobs. */
export interface BlobObserver {
  blobStored?(name: string, bytes: Uint8Array): void;
  blobDeleted?(name: string): void;
}

/** The blobs on the disk. */
export class BlobMedium {
  readonly blobs = new Map<string, Uint8Array>();
  /** Blobs cannot be written until this virtual time, ms. */
  refusedUntilMs = 0;
  operations = 0;
  constructor(readonly observer: BlobObserver) {}
}

/** The blob store of one thread of a simulated process. */
export class WorldBlobs implements BlobStore {
  constructor(
    readonly medium: BlobMedium,
    readonly clock: NodeClock,
    readonly times: DiskTimes,
  ) {}

  put(name: string, bytes: Uint8Array): Promise<void> {
    const { medium } = this;
    if (this.clock.monotonicMs() < medium.refusedUntilMs) {
      return Promise.reject(
        new Error(`Cannot write the blob ${name}: no space left on the simulated disk`),
      );
    }
    const kept = bytes.slice();
    return this.#after(() => {
      medium.blobs.set(name, kept);
      medium.observer.blobStored?.(name, kept);
    });
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.medium.blobs.get(name)?.slice());
  }

  list(prefix: string): Promise<string[]> {
    return Promise.resolve(
      [...this.medium.blobs.keys()].filter((name) => name.startsWith(prefix)).sort(),
    );
  }

  delete(name: string): Promise<void> {
    return this.#after(() => {
      this.medium.blobs.delete(name);
      this.medium.observer.blobDeleted?.(name);
    });
  }

  #after(effect: () => void): Promise<void> {
    const { latency, syncMs, extraMs } = this.times;
    const takesMs = latency.exponential(2 ** 30 + this.medium.operations++) * syncMs + extraMs();
    return new Promise((resolve) => {
      this.clock.schedule(takesMs, () => {
        effect();
        resolve();
      });
    });
  }
}
