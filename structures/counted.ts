/**
 * A number with its noun, for messages.
 *
 * @example
 * ```ts
 * import { counted } from "./counted.ts";
 *
 * console.assert(counted(1, "seed") === "1 seed");
 * console.assert(counted(1500, "row") === "1,500 rows");
 * console.assert(counted(0, "batch", "batches") === "0 batches");
 * ```
 */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
