/**
 * A record of the same keys, each with the function of its value.
 *
 * @example
 * ```ts
 * import { mapValues } from "./map_values.ts";
 *
 * const lengths = mapValues({ user: "ann", item: "m1" }, (id) => id.length);
 * console.assert(lengths.user === 3 && lengths.item === 2);
 * ```
 */
export function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  valueOf: (value: From, key: string) => To,
): Record<string, To> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, valueOf(value, key)]),
  );
}
