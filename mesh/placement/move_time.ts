/** The time that copying shards takes. */

/**
 * Time to copy `bytes` at the rate of a move, ms; the target applies rows slower than a link
 * carries them, so the rate is one that was measured for both together.
 */
export function moveMs(bytes: number, bytesPerSecond: number): number {
  return Math.ceil(bytes / bytesPerSecond * 1_000);
}
