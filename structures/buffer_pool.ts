/**
 * A pool of buffers for arrays that two actors send each other. Rows go to the trainer, and
 * gradients of as many floats return to the shard: each actor writes its messages into buffers that
 * it has received. In the steady state a message needs no fresh pages and leaves no garbage.
 */

/** Spare room of a new buffer: batches differ a little in their distinct ids. */
const SLACK = 1 / 8;

/**
 * An earlier answer that its receiver has read. It moves back with the next request, and the next
 * answer is written into its memory. Undefined: the answer needs new memory.
 */
export type Recycled<Answer> = Answer | undefined;

/** Spare buffers, taken and given back as float arrays. */
export class BufferPool {
  /** Ascending by size. */
  readonly #spare: ArrayBuffer[] = [];
  readonly #spareMax: number;

  /** @param spareMax Buffers held at most. Beyond, the smallest is dropped. */
  constructor(spareMax: number) {
    this.#spareMax = spareMax;
  }

  /**
   * An array of `floats` elements with arbitrary values, in the smallest spare buffer that fits.
   */
  take(floats: number): Float32Array<ArrayBuffer> {
    const bytes = floats * Float32Array.BYTES_PER_ELEMENT;
    const fits = this.#spare.findIndex(({ byteLength }) => byteLength >= bytes);
    const [buffer] = fits < 0
      ? [new ArrayBuffer(Math.ceil(floats * (1 + SLACK)) * Float32Array.BYTES_PER_ELEMENT)]
      : this.#spare.splice(fits, 1);
    return new Float32Array(buffer, 0, floats);
  }

  /** Takes over the memory of an array, which must not be read any more. */
  give({ buffer }: Float32Array<ArrayBuffer>): void {
    this.#spare.push(buffer);
    this.#spare.sort((a, b) => a.byteLength - b.byteLength);
    if (this.#spare.length > this.#spareMax) this.#spare.shift();
  }
}
