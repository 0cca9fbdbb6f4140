/**
 * Gives pages of a log back to the system once they are synced, so that the log's next writes reuse
 * them.
 *
 * Only the end of a log is read again, yet all of it would stay in the page cache until the memory
 * is needed. With this, a log that grows by 16 MB/s occupies a few megabytes. In a virtual machine
 * whose host backs memory when it is first touched, a fresh page costs some ten microseconds more
 * than a used one.
 *
 * @see https://man7.org/linux/man-pages/man2/posix_fadvise.2.html
 */
import { type Libc, openLibc } from "./libc.ts";

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const POSIX_FADV_DONTNEED = 4;

/** Synced bytes that stay in the cache for readers of the log's end. */
const CACHED_BYTES = 16 * 2 ** 20;
/**
 * Bytes are given back in multiples of this: the kernel keeps a large folio of pages unless all of
 * it is given back.
 */
const STEP_BYTES = 2 ** 20;

/** Gives back the pages of one file that grows at its end. */
export class PageCacheRelease {
  readonly #libc: Libc | undefined;
  #descriptor: number;
  #released: number;
  #underWay: Promise<unknown> | undefined;

  /** @param begin Byte at which writing begins; pages before it are left to the system. */
  constructor(path: string, begin: number) {
    this.#libc = openLibc();
    this.#descriptor = openReadOnly(this.#libc, path);
    this.#released = begin;
  }

  /**
   * @param synced Bytes of the file that are on the disk. Pages behind them are never given back.
   */
  follow(synced: number): void {
    const end = Math.floor((synced - CACHED_BYTES) / STEP_BYTES) * STEP_BYTES;
    if (end <= this.#released || this.#libc === undefined || this.#descriptor < 0) return;
    if (this.#underWay) return;
    this.#underWay = this.#libc.posix_fadvise(
      this.#descriptor,
      BigInt(this.#released),
      BigInt(end - this.#released),
      POSIX_FADV_DONTNEED,
    ).catch(() => {}).finally(() => this.#underWay = undefined);
    this.#released = end;
  }

  /** Closes the file, after the call that is under way. */
  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    await this.#underWay;
    if (descriptor >= 0) this.#libc?.close(descriptor);
  }
}

/**
 * Drops the pages of a file that are on the disk from the cache, so that the next reads come from
 * the disk. Does nothing where the system has no such advice.
 */
export function dropCachedPages(path: string): void {
  const libc = openLibc();
  const descriptor = openReadOnly(libc, path);
  if (libc === undefined || descriptor < 0) return;
  libc.posix_fadvise_sync(descriptor, 0n, 0n, POSIX_FADV_DONTNEED);
  libc.close(descriptor);
}

/** A file descriptor of the file, or -1. */
function openReadOnly(libc: Libc | undefined, path: string): number {
  return libc?.open(new TextEncoder().encode(`${path}\0`), O_RDONLY | O_CLOEXEC) ?? -1;
}
