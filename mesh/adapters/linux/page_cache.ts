/**
 * What a log writes lies in the system's page cache for as long as nobody needs the memory, though only its end is
 * read again. Given back soon, the pages are used for what is written next: those of a log that grows by 16 MB/s stay a
 * few megabytes. In a virtual machine whose host backs memory when it is first touched, a fresh page costs some ten
 * microseconds more.
 *
 * @see https://man7.org/linux/man-pages/man2/posix_fadvise.2.html
 */
import { type Libc, openLibc } from "./libc.ts";

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const POSIX_FADV_DONTNEED = 4;

/** Of the synced bytes, how many are kept for those who follow the log's end. */
const KEPT_BYTES = 16 * 2 ** 20;
/** Given back at a time, and in multiples: of a page, or of several that the system keeps as one, none goes in part. */
const STEP_BYTES = 2 ** 20;

/** Of one file that grows at its end. */
export class PageCacheRelease {
  readonly #libc: Libc | undefined;
  #descriptor: number;
  #released: number;
  #underWay: Promise<unknown> | undefined;

  /** @param begin Where writing begins: what lies before it is left to the system. */
  constructor(path: string, begin: number) {
    this.#libc = openLibc();
    const name = new TextEncoder().encode(`${path}\0`);
    this.#descriptor = this.#libc?.open(name, O_RDONLY | O_CLOEXEC) ?? -1;
    this.#released = begin;
  }

  /** @param synced The disk has the file up to here; what it does not have stays. */
  follow(synced: number): void {
    const end = Math.floor((synced - KEPT_BYTES) / STEP_BYTES) * STEP_BYTES;
    if (end <= this.#released || this.#descriptor < 0 || this.#underWay) return;
    this.#underWay = this.#libc!.posix_fadvise(
      this.#descriptor,
      BigInt(this.#released),
      BigInt(end - this.#released),
      POSIX_FADV_DONTNEED,
    ).catch(() => {}).finally(() => this.#underWay = undefined);
    this.#released = end;
  }

  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    await this.#underWay;
    if (descriptor >= 0) this.#libc!.close(descriptor);
  }
}
