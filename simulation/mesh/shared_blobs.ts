/**
 * The shared directory of a simulated mesh: a blob is there as a whole or not at all, and outlives
 * every process. So do the bytes of a put whose process dies before its end.
 */
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { BlobObserver } from "../disk/blob_witness.ts";
import { partsOf, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import type { NodeClock } from "../world/node_clock.ts";

const MANIFEST = "/manifest.json";

export class SharedBlobs {
  readonly #blobs = new Map<string, Uint8Array>();
  /** The puts that have not ended: name and bytes. */
  readonly #unfinished = new Set<readonly [name: string, bytes: Uint8Array]>();
  readonly #observer: BlobObserver;
  #refused = false;
  /** Time that each put takes besides its latency, ms. */
  putExtraMs = 0;

  constructor(observer: BlobObserver) {
    this.#observer = observer;
  }

  /** Whether writes fail, as with a full volume. */
  set refusesWrites(refused: boolean) {
    this.#refused = refused;
  }

  /** A copy as of now. */
  copy(): BlobStore {
    const copy = new MemoryBlobStore();
    for (const [name, bytes] of this.#blobs) void copy.put(name, bytes);
    return copy;
  }

  /** Name and content of each blob, and those of unfinished puts. */
  *contents(): Iterable<readonly [string, Uint8Array]> {
    yield* this.#blobs;
    for (const [name, bytes] of this.#unfinished) yield [`an unfinished put of ${name}`, bytes];
  }

  /**
   * The store as one process reaches it.
   *
   * @param latencyMs Mean time of an operation, ms.
   */
  for(clock: NodeClock, latency: KeyedHash, latencyMs: number): BlobStore {
    let drawn = 0;
    const after = <R>(operation: () => R, extraMs = 0): Promise<R> =>
      new Promise((resolve, reject) => {
        clock.schedule(latency.exponential(drawn++) * latencyMs + extraMs, () => {
          try {
            resolve(operation());
          } catch (error) {
            reject(error);
          }
        });
      });
    return {
      put: (name, bytes) => {
        const put = [name, bytes.slice()] as const;
        if (!this.#refused) this.#unfinished.add(put);
        return after(() => this.#finish(put), this.putExtraMs);
      },
      get: (name) => after(() => this.#blobs.get(name)?.slice()),
      list: (prefix) =>
        after(() => [...this.#blobs.keys()].filter((name) => name.startsWith(prefix)).sort()),
      delete: (name) =>
        after(() => {
          if (this.#blobs.delete(name)) this.#observer.blobDeleted?.(name);
        }),
      listUnfinished: (prefix) => after(() => this.#unfinishedBelow(prefix)),
      deleteUnfinished: (name) =>
        after(() => {
          for (const put of this.#unfinished) if (put[0] === name) this.#unfinished.delete(put);
        }),
    };
  }

  /** The newest snapshot; undefined where there is none. */
  get newest(): SnapshotManifest | undefined {
    return this.#manifests[0];
  }

  /** Whether the examples of a snapshot are lost; see {@link deleteLostSnapshots}. */
  async hasLostSnapshots(isReached: (part: TrainerPart) => Promise<boolean>): Promise<boolean> {
    return (await this.#manifestsBy(isReached)).lost.length > 0;
  }

  /**
   * Deletes the snapshots whose examples are lost, as an operator does to go back to an earlier
   * one. Blobs that the chain of another snapshot has stay.
   *
   * @param isReached Whether the example log has the chunks before the cut of a part.
   */
  async deleteLostSnapshots(isReached: (part: TrainerPart) => Promise<boolean>): Promise<void> {
    const { lost, kept } = await this.#manifestsBy(isReached);
    this.#delete(lost, kept);
  }

  /** Loses all snapshots, or the newest where there is one before it. */
  loseSnapshots(which: "newest" | "all"): void {
    const manifests = this.#manifests;
    const kept = which === "all" ? [] : manifests.slice(manifests.length > 1 ? 1 : 0);
    const lost = manifests.slice(0, manifests.length - kept.length);
    this.#delete(lost.map(({ name }) => `${name}${MANIFEST}`), kept);
  }

  /** Deletes snapshots, but for the blobs that the chains of others have. */
  #delete(lost: readonly string[], kept: readonly SnapshotManifest[]): void {
    const named = new Set(kept.flatMap((manifest) => partsOf(manifest).map(({ name }) => name)));
    // The manifests go first, so that none names a part that is gone.
    const prefixes = lost.map((manifest) => manifest.slice(0, 1 - MANIFEST.length));
    const parts = [...this.#blobs.keys()].filter((name) =>
      prefixes.some((prefix) => name.startsWith(prefix)) && !named.has(name) && !lost.includes(name)
    );
    for (const name of [...lost, ...parts]) {
      this.#blobs.delete(name);
      this.#observer.blobDeleted?.(name);
    }
  }

  /** The names of manifests whose examples are lost, and the other manifests. */
  async #manifestsBy(isReached: (part: TrainerPart) => Promise<boolean>) {
    const lost: string[] = [];
    const kept: SnapshotManifest[] = [];
    for (const manifest of this.#manifests) {
      const reached = await Promise.all(manifest.trainers.map(isReached));
      if (reached.includes(false)) lost.push(`${manifest.name}${MANIFEST}`);
      else kept.push(manifest);
    }
    return { lost, kept };
  }

  /** The newest one first. */
  get #manifests(): SnapshotManifest[] {
    return [...this.#blobs].filter(([name]) => name.endsWith(MANIFEST))
      .map(([, bytes]) => JSON.parse(new TextDecoder().decode(bytes)) as SnapshotManifest)
      .sort((a, b) => a.name < b.name ? 1 : -1);
  }

  #unfinishedBelow(prefix: string): string[] {
    const names = [...this.#unfinished].map(([name]) => name);
    return [...new Set(names)].filter((name) => name.startsWith(prefix)).sort();
  }

  #finish(put: readonly [name: string, bytes: Uint8Array]): void {
    const [name, bytes] = put;
    const isWhole = this.#unfinished.delete(put);
    if (this.#refused) throw new Error(`cannot write ${name}: no space left on the volume`);
    if (!isWhole) throw new Error(`cannot write ${name}: its bytes were deleted meanwhile`);
    this.#blobs.set(name, bytes);
    this.#observer.blobStored?.(name, bytes);
  }
}
