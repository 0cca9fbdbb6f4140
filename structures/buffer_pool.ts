/**
 * A pool of buffers for arrays that are used for a moment and given back: in the steady state they
 * need no fresh pages, leave no garbage, and lie in the processor's caches.
 *
 * Two actors may send each other such arrays. Rows go to the trainer, and gradients of as many
 * floats return to the shard: each actor writes its messages into buffers that it has received.
 */

/** Spare room of a new buffer: batches differ a little in their distinct ids. */
const SLACK = 1 / 8;

/**
 * Size of a buffer, as a multiple of the array that is put into it, at most. A message to another
 * thread copies all of a buffer.
 */
const SIZE_MAX = 2;

/**
 * An earlier answer that its receiver has read. It moves back with the next request, and the next
 * answer is written into its memory. Undefined: the answer needs new memory.
 */
export type Recycled<Answer> = Answer | undefined;

/** Spare buffers. What is not given back is garbage like any other array. */
export class BufferPool {
  /** The newest last. */
  readonly #spare: ArrayBuffer[] = [];
  readonly #spareMax: number;

  /** @param spareMax Buffers held at most. Beyond, the oldest is dropped. */
  constructor(spareMax: number) {
    this.#spareMax = spareMax;
  }

  /** A buffer of `bytes` or some more, with arbitrary values: the newest spare one that fits. */
  buffer(bytes: number): ArrayBuffer {
    const spare = this.#spare;
    for (let i = spare.length - 1; i >= 0; i--) {
      const { byteLength } = spare[i];
      if (byteLength >= bytes && byteLength <= SIZE_MAX * bytes) return spare.splice(i, 1)[0];
    }
    return new ArrayBuffer(8 * Math.ceil(bytes * (1 + SLACK) / 8));
  }

  /** An array of `floats` elements with arbitrary values. */
  take(floats: number): Float32Array<ArrayBuffer> {
    const buffer = this.buffer(floats * Float32Array.BYTES_PER_ELEMENT);
    return new Float32Array(buffer, 0, floats);
  }

  /** A copy of `bytes`. */
  copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(this.buffer(bytes.length), 0, bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Takes over the memory of an array, which must not be read any more. */
  give({ buffer }: { readonly buffer: ArrayBuffer }): void {
    this.#spare.push(buffer);
    if (this.#spare.length > this.#spareMax) this.#spare.shift();
  }
}
