/** A growing set of small numbers, a bit each. */
export class Bitmap {
  #words = new Uint32Array(4);

  /** The words; bit i % 32 of word i / 32 is number i. */
  words(count: number): Uint32Array {
    this.#reserve(count);
    return this.#words.subarray(0, Math.ceil(count / 32));
  }

  has(number: number): boolean {
    return ((this.#words[number >>> 5] ?? 0) >>> (number & 31) & 1) === 1;
  }

  set(number: number, value: boolean): void {
    this.#reserve(number + 1);
    const bit = 1 << (number & 31);
    if (value) this.#words[number >>> 5] |= bit;
    else this.#words[number >>> 5] &= ~bit;
  }

  #reserve(count: number): void {
    const words = Math.ceil(count / 32);
    if (words <= this.#words.length) return;
    const grown = new Uint32Array(Math.max(words, 2 * this.#words.length));
    grown.set(this.#words);
    this.#words = grown;
  }
}
