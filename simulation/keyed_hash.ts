/**
 * Randomness by key instead of by order: a value depends on (seed, purpose, number) alone. A link's
 * 17th batch has the same latency whatever faults came before, so removing a fault from a plan
 * leaves all others alone.
 *
 * @see https://github.com/aappleby/smhasher (MurmurHash3's 32-bit mix and finalizer, by Austin
 * Appleby)
 */

/** Draws numbers for one purpose. */
export class KeyedHash {
  readonly #base: number;

  /** @param purpose Two purposes of one seed are independent: `link/main/trainer-0`. */
  constructor(seed: number, purpose: string) {
    let hash = mixed(seed >>> 0, Math.floor(seed / 2 ** 32));
    for (let i = 0; i < purpose.length; i++) hash = mixed(hash, purpose.charCodeAt(i));
    this.#base = hash;
  }

  /** Uniform in [0, 2³²). */
  uint32(n: number): number {
    return finished(mixed(this.#base, n >>> 0));
  }

  /** Uniform in [0, 1). */
  float(n: number): number {
    return this.uint32(n) / 2 ** 32;
  }

  /** Exponentially distributed with mean 1. */
  exponential(n: number): number {
    return -Math.log(1 - this.float(n));
  }
}

function mixed(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finished(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
