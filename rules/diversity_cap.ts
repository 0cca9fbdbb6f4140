/**
 * A cap on the items with the same value of an attribute among the first positions.
 */
import type { Attributes } from "../mesh/ports/profile_store.ts";
import type { DiversityCap } from "./rule_set.ts";

/**
 * The order in which an item that would be one too many moves behind the first `top` positions, or
 * behind all items within the cap. An item of a list attribute counts for each of its values; an
 * item without the attribute is never one too many.
 *
 * @param attributes By item index.
 */
export function capped(
  rows: Uint32Array,
  { by, max, top = rows.length }: DiversityCap,
  attributes: readonly Attributes[],
): Uint32Array {
  const counts = new Map<string, number>();
  const first: number[] = [];
  for (const row of rows) {
    const values = first.length < top ? valuesOf(attributes[row], by) : [];
    if (values.some((value) => (counts.get(value) ?? 0) >= max)) continue;
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    first.push(row);
    if (first.length === top) break;
  }
  const isFirst = new Set(first);
  // Behind the first positions all other items keep their order.
  return Uint32Array.from([...first, ...rows.filter((row) => !isFirst.has(row))]);
}

/**
 * Whether a cap lets an item stand among the first positions with all of `rows`.
 *
 * @param attributes By item index.
 */
export function fitsCap(
  row: number,
  rows: readonly number[],
  { by, max }: DiversityCap,
  attributes: readonly Attributes[],
): boolean {
  const values = valuesOf(attributes[row], by);
  return values.every((value) =>
    rows.filter((other) => valuesOf(attributes[other], by).includes(value)).length < max
  );
}

function valuesOf(attributes: Attributes | undefined, name: string): readonly string[] {
  if (attributes === undefined || !Object.hasOwn(attributes, name)) return [];
  const value = attributes[name];
  if (value === null) return [];
  return Array.isArray(value) ? [...new Set(value)] : [String(value)];
}
