/**
 * The content of a file on a simulated disk, twice: as the page cache has it, which the process
 * reads and writes, and as the disk has it, which a power failure leaves.
 *
 * A power failure treats each unsynced operation by itself, as a disk does that writes pages in any
 * order: it is there, it is not, or a write is there in part, by sectors. A sync that fails counts
 * its pages as clean, as Linux does: the cache keeps them, and the disk lacks them for good.
 *
 * @see https://wiki.postgresql.org/wiki/Fsync_Errors
 */
import type { KeyedHash } from "../keyed_hash.ts";

/** Bytes that a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
/** Operations of one file that a power failure draws for. */
const DRAWS_MAX = 2 ** 16;

type Operation =
  | { readonly number: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly number: number; readonly length: number };

/** Bytes that grow. */
class GrowingBytes {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Valid until the next change. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  write(at: number, bytes: Uint8Array): void {
    const end = at + bytes.byteLength;
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.byteLength));
      larger.set(this.view);
      this.#bytes = larger;
    }
    if (at > this.#length) this.#bytes.fill(0, this.#length, at);
    this.#bytes.set(bytes, at);
    this.#length = Math.max(this.#length, end);
  }

  resize(length: number): void {
    if (length > this.#length) this.write(length, new Uint8Array(0));
    this.#length = length;
  }

  replace(bytes: Uint8Array): void {
    this.#length = 0;
    this.write(0, bytes);
  }
}

/** Bytes of files that are counted together. */
export interface ByteTotal {
  bytes: number;
}

/** A file's content. */
export class FileContent {
  readonly #cache = new GrowingBytes();
  readonly #disk = new GrowingBytes();
  #unsynced: Operation[] = [];
  #operations = 0;
  #total: ByteTotal | undefined;

  /** @param number Tells it from all other files of the disk. */
  constructor(readonly number: number) {}

  /** Counts the cached bytes in this total from now on, and in no other. */
  countIn(total: ByteTotal | undefined): void {
    if (this.#total !== undefined) this.#total.bytes -= this.#cache.length;
    this.#total = total;
    if (total !== undefined) total.bytes += this.#cache.length;
  }

  /** Bytes that the process sees. */
  get size(): number {
    return this.#cache.length;
  }

  /** The bytes that the process sees, valid until the next change. */
  get cached(): Uint8Array {
    return this.#cache.view;
  }

  /** The bytes that a power failure leaves, valid until the next change. */
  get durable(): Uint8Array {
    return this.#disk.view;
  }

  write(at: number, bytes: Uint8Array): void {
    const kept = bytes.slice();
    const before = this.#cache.length;
    this.#cache.write(at, kept);
    this.#recount(before);
    this.#unsynced.push({ number: this.#operations++, at, bytes: kept });
  }

  truncate(length: number): void {
    const before = this.#cache.length;
    this.#cache.resize(length);
    this.#recount(before);
    this.#unsynced.push({ number: this.#operations++, length });
  }

  /** Where a sync that begins now ends: operations before it are on the disk afterwards. */
  syncMark(): number {
    return this.#operations;
  }

  endSync(mark: number): void {
    for (const operation of this.#take(mark)) apply(this.#disk, operation);
  }

  /** The sync failed: its operations reach the disk no more. */
  failSync(mark: number): void {
    this.#take(mark);
  }

  /** Clean pages leave the cache: the process sees the disk's bytes, and its unsynced writes. */
  dropCache(): void {
    const before = this.#cache.length;
    this.#cache.replace(this.#disk.view);
    for (const operation of this.#unsynced) apply(this.#cache, operation);
    this.#recount(before);
  }

  /**
   * The machine loses power.
   *
   * @param failure Number of the power failure.
   * @returns Operations that are lost, or there in part.
   */
  losePower(draws: KeyedHash, failure: number): number {
    const draw = (operation: number) =>
      draws.float((failure * 4_099 + this.number) * DRAWS_MAX + operation % DRAWS_MAX);
    let lost = 0;
    for (const operation of this.#unsynced) {
      const fate = draw(2 * operation.number);
      if (fate < 1 / 3) apply(this.#disk, operation);
      else lost++;
      if (fate >= 2 / 3 && "bytes" in operation) {
        tear(operation.at, operation.bytes, draw(2 * operation.number + 1), this.#disk);
      }
    }
    this.#unsynced = [];
    const before = this.#cache.length;
    this.#cache.replace(this.#disk.view);
    this.#recount(before);
    return lost;
  }

  #recount(before: number): void {
    if (this.#total !== undefined) this.#total.bytes += this.#cache.length - before;
  }

  #take(mark: number): Operation[] {
    if (this.#operations === mark) return this.#unsynced.splice(0);
    const taken = this.#unsynced.filter(({ number }) => number < mark);
    this.#unsynced = this.#unsynced.filter(({ number }) => number >= mark);
    return taken;
  }
}

function apply(target: GrowingBytes, operation: Operation): void {
  if ("bytes" in operation) target.write(operation.at, operation.bytes);
  else target.resize(operation.length);
}

/** Some of a write's sectors are there; the file is as long as the last of them needs. */
function tear(at: number, bytes: Uint8Array, draw: number, target: GrowingBytes): void {
  let bits = Math.floor(draw * 2 ** 32);
  for (let from = 0; from < bytes.byteLength;) {
    const to = Math.min(bytes.byteLength, from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
    if ((bits & 1) === 1) target.write(at + from, bytes.subarray(from, to));
    bits = (bits >>> 1) | (bits << 31);
    from = to;
  }
}
