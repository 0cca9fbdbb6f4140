/** A growing set of small numbers, a bit each. */
export class Bitmap {
  #words = new Uint32Array(4);

  /** The words; bit i % 32 of word i / 32 is number i. */
  words(count: number): Uint32Array {
    this.#reserve(count);
    return this.#words.subarray(0, Math.ceil(count / 32));
  }

  has(number: number): boolean {
    return Bitmap.has(this.#words, number);
  }

  set(number: number, value: boolean): void {
    this.#reserve(number + 1);
    const bit = 1 << (number & 31);
    if (value) this.#words[number >>> 5] |= bit;
    else this.#words[number >>> 5] &= ~bit;
  }

  /** Whether a mask, from {@link Bitmap.words}, has a number. */
  static has(mask: Uint32Array, number: number): boolean {
    return ((mask[number >>> 5] ?? 0) >>> (number & 31) & 1) === 1;
  }

  /** Takes a number out of a mask. */
  static delete(mask: Uint32Array, number: number): void {
    mask[number >>> 5] &= ~(1 << (number & 31));
  }

  /**
   * At most `count` numbers of a mask that are set, evenly spaced among them: each has the same
   * chance over all draws.
   *
   * @param mask From {@link Bitmap.words}.
   * @param draw Decides the first one, in [0, 1).
   */
  static spaced(mask: Uint32Array, count: number, draw: number): number[] {
    let set = 0;
    for (const word of mask) set += bitsOf(word);
    const wanted = Math.min(count, set);
    const found: number[] = [];
    let before = 0;
    for (let word = 0; word < mask.length; word++) {
      const bits = bitsOf(mask[word]);
      while (found.length < wanted) {
        const all = wanted === set;
        const next = all ? found.length : Math.floor((found.length + draw) * (set / wanted));
        const n = Math.min(next, set - 1) - before;
        if (n >= bits) break;
        found.push(32 * word + nthBit(mask[word], n));
      }
      before += bits;
    }
    return found;
  }

  #reserve(count: number): void {
    const words = Math.ceil(count / 32);
    if (words <= this.#words.length) return;
    const grown = new Uint32Array(Math.max(words, 2 * this.#words.length));
    grown.set(this.#words);
    this.#words = grown;
  }
}

/** Number of bits that are set. */
function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** The number of the bit before which `n` others are set. */
function nthBit(word: number, n: number): number {
  let rest = word;
  for (let i = 0; i < n; i++) rest &= rest - 1;
  return 31 - Math.clz32(rest & -rest);
}
