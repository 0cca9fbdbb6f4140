/**
 * Copies `from[start .. end]` to `to[at ..]`. Lists have a few ids: a loop is faster than `set` of
 * a subarray, which makes an object.
 */
export function copyWords(
  from: Uint32Array,
  start: number,
  end: number,
  to: Uint32Array,
  at: number,
): void {
  for (let i = start; i < end; i++) to[at++] = from[i];
}
