/**
 * Memory for arrays that live for a moment, cut from one buffer after another.
 *
 * V8 takes four blocks from `malloc` for each array of more than 64 bytes, and a helper thread
 * frees them after a collection. With one buffer for many arrays that is rare. A buffer is freed
 * with the last of its arrays, so an array that is kept keeps all of it; and it must not be sent to
 * another thread, which would take the other arrays along.
 */

const SLAB_BYTES = 64 * 1024;
/** Longer arrays have a buffer of their own, bytes. */
const CUT_BYTES_MAX = SLAB_BYTES / 4;

/** Arrays of one owner. */
export class MemorySlab {
  #buffer = new ArrayBuffer(0);
  #end = 0;

  /**
   * `length` zeros.
   *
   * @example
   * ```ts
   * import { MemorySlab } from "./memory_slab.ts";
   *
   * const slab = new MemorySlab();
   * const [a, b] = [slab.words(3), slab.words(100_000)];
   * console.assert(a.length === 3 && b.length === 100_000 && a.buffer !== b.buffer);
   * console.assert(slab.words(1).buffer === a.buffer);
   * ```
   */
  words(length: number): Uint32Array<ArrayBuffer> {
    const bytes = 4 * length;
    if (bytes > CUT_BYTES_MAX) return new Uint32Array(length);
    const begin = this.#cut(bytes);
    return new Uint32Array(this.#buffer, begin, length);
  }

  /** A copy of `bytes`. */
  copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = bytes;
    if (length > CUT_BYTES_MAX) return bytes.slice();
    const begin = this.#cut(length);
    const copy = new Uint8Array(this.#buffer, begin, length);
    copy.set(bytes);
    return copy;
  }

  /** Makes room in {@link #buffer}; returns its first byte, a multiple of 4. */
  #cut(bytes: number): number {
    const begin = Math.ceil(this.#end / 4) * 4;
    if (begin + bytes > this.#buffer.byteLength) {
      this.#buffer = new ArrayBuffer(SLAB_BYTES);
      this.#end = bytes;
      return 0;
    }
    this.#end = begin + bytes;
    return begin;
  }
}
