/**
 * Follows the blobs on a simulated disk by the names of their files, and reports those that became
 * visible and those that went, also by a power failure.
 */
import type { FileContent } from "./file_content.ts";

/** Observes the blobs. */
export interface BlobObserver {
  blobStored?(name: string, bytes: Uint8Array): void;
  blobDeleted?(name: string): void;
}

const BLOB = /^\/[^/]+\/blobs\/(.+)$/;
/** A file ends with four bytes `CRNB` and a checksum. */
const FOOTER_BYTES = 8;
const MANIFEST = "manifest.json";

/** Watches the files of the blob store. */
export class BlobWitness {
  readonly #observer: BlobObserver;
  /** Content of each visible blob, by name. */
  readonly #visible = new Map<string, Uint8Array>();

  constructor(observer: BlobObserver) {
    this.#observer = observer;
  }

  renamed(path: string, content: FileContent): void {
    const name = nameOf(path);
    if (name !== undefined) this.#store(name, content);
  }

  removed(path: string): void {
    const name = nameOf(path);
    if (name === undefined || !this.#visible.delete(name)) return;
    this.#observer.blobDeleted?.(name);
  }

  /** A power failure left these files. Manifests go first and come last, as they should. */
  powerLost(files: Iterable<readonly [string, FileContent]>): void {
    const left = new Map<string, FileContent>();
    for (const [path, content] of files) {
      const name = nameOf(path);
      if (name !== undefined) left.set(name, content);
    }
    const gone = [...this.#visible.keys()].filter((name) => !left.has(name));
    for (const name of gone.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)))) {
      this.#visible.delete(name);
      this.#observer.blobDeleted?.(name);
    }
    const changed = [...left].filter(([name, { durable }]) =>
      !same(this.#visible.get(name), durable)
    );
    for (
      const [name, content] of changed.sort(([a], [b]) =>
        Number(isManifest(a)) - Number(isManifest(b))
      )
    ) this.#store(name, content);
  }

  #store(name: string, { cached }: FileContent): void {
    const bytes = cached.slice();
    this.#visible.set(name, bytes);
    this.#observer.blobStored?.(name, bytes.subarray(0, Math.max(0, bytes.length - FOOTER_BYTES)));
  }
}

function nameOf(path: string): string | undefined {
  const name = BLOB.exec(path)?.[1];
  if (name === undefined || name.endsWith(".tmp")) return undefined;
  return name.split("/").map(decodeURIComponent).join("/");
}

function isManifest(name: string): boolean {
  return name.endsWith(MANIFEST);
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
}
