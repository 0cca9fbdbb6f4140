/** A hash of whole words, for tables in memory. */

/** A 32-bit hash of `words[begin .. end]`. */
export type WordsHash = (words: Uint32Array, begin: number, end: number) => number;

/** MurmurHash3 (Austin Appleby, 2008), x86_32 variant, seed 0, of whole words. */
export function murmur3(words: Uint32Array, begin: number, end: number): number {
  let hash = 0;
  for (let i = begin; i < end; i++) {
    const word = Math.imul(words[i], 0xcc9e2d51);
    hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * (end - begin);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
