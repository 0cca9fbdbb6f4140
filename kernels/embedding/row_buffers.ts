/**
 * Memory that goes back and forth between a trainer and its shards: rows come one way, their gradients, which are as
 * many floats, go the other. Each side writes what it sends into what it received, so that in the steady state a step
 * asks for no fresh pages and the garbage collector hears of none.
 */

/** A buffer's room beyond what it is made for: batches differ a little in their distinct ids. */
const SLACK = 1 / 8;

/** Buffers that nobody reads any more. */
export class RowBuffers {
  readonly #spare: ArrayBuffer[] = [];
  readonly #spareMax: number;

  /** @param spareMax Kept at most; of more, the largest. */
  constructor(spareMax: number) {
    this.#spareMax = spareMax;
  }

  /** An array of its own; what it holds is arbitrary. */
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
