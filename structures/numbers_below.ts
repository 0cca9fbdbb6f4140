/**
 * The whole numbers from 0 to `limit - 1`, as those of all shards or partitions.
 *
 * @example
 * ```ts
 * import { numbersBelow } from "./numbers_below.ts";
 *
 * console.assert(numbersBelow(3).join() === "0,1,2");
 * console.assert(numbersBelow(0).length === 0);
 * ```
 */
export function numbersBelow(limit: number): number[] {
  return Array.from({ length: limit }, (_, number) => number);
}
