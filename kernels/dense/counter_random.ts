/**
 * Counter-based random numbers: functions of a key and an index, not of earlier draws, so that a
 * resumed run draws the same numbers.
 *
 * @see Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011; the mixer is
 *   MurmurHash3's finalizer
 */

/** Hashes integers into a 32-bit key. */
export function mixKey(parts: readonly number[]): number {
  return parts.reduce((hash, part) => mix32(Math.imul(hash ^ part, 0x9e3779b1) + 0x7f4a7c15), 0);
}

/** The `index`-th number of the stream `key`: uniform in [0, 1) in steps of 2^-32. */
export function uniformAt(key: number, index: number): number {
  return mix32(key ^ mix32(Math.imul(index + 1, 0x85ebca6b))) / 0x1_0000_0000;
}

function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
