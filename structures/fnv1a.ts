/** State of {@link fnv1a} before the first unit: the offset basis of 32 bits. */
export const FNV_OFFSET_BASIS = 0x811c9dc5;

/**
 * 32-bit FNV-1a over the UTF-16 units of a text. Its high bits differ little between short texts:
 * mix the result before taking bits from the top.
 *
 * @param state Where hashing begins. Another state gives another hash function of the same family.
 * @returns A signed integer of 32 bits.
 * @see Fowler, Noll, Vo and Eastlake, "The FNV Non-Cryptographic Hash Algorithm", RFC 9923
 *
 * @example
 * ```ts
 * import { fnv1a } from "./fnv1a.ts";
 *
 * console.assert((fnv1a("a") >>> 0) === 0xe40c292c);
 * ```
 */
export function fnv1a(text: string, state: number = FNV_OFFSET_BASIS): number {
  let hash = state | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
