/**
 * Names for the indices along an axis of a parameter. A checkpoint uses them to find its weights
 * again in a model whose slots, dense values or tasks were added, removed or reordered.
 */
import { present } from "../../../structures/invariant.ts";

/** A run of neighbouring indices with one name. */
export interface AxisEntry {
  /** `slot genres`, `dense price`, `task click`. */
  readonly name: string;
  /** Identifies the entry when its name changes; unique within the axis. Default: the name. */
  readonly key?: string;
  /** Number of indices. */
  readonly size: number;
}

/** All entries along an axis; empty = unnamed, its indices are identified by number alone. */
export type Axis = readonly AxisEntry[];

/** Indices of all entries together. */
export function axisSize(axis: Axis): number {
  return axis.reduce((sum, { size }) => sum + size, 0);
}

/**
 * The former index of each index along an axis, -1 where it is new. An entry whose size changed
 * counts as new, and so does an unnamed axis whose size changed.
 */
export function indicesBefore(
  before: Axis | undefined,
  sizeBefore: number,
  now: Axis | undefined,
  size: number,
): Int32Array {
  const indices = new Map(indexKeys(before, sizeBefore).map((key, index) => [key, index]));
  return Int32Array.from(indexKeys(now, size), (key) => indices.get(key) ?? -1);
}

/**
 * The entries of an axis that were removed, added, resized or reordered, in words; empty when none
 * was.
 */
export function axisDifferences(before: Axis = [], now: Axis = []): string[] {
  const [known, current] = [before, now].map((axis) =>
    new Map(axis.map((entry) => [keyOf(entry), entry]))
  );
  const removed = before.filter((entry) => !current.has(keyOf(entry)));
  const added = now.filter((entry) => !known.has(keyOf(entry)));
  const kept = now.filter((entry) => known.has(keyOf(entry)));
  const resized = kept.filter((entry) =>
    present(known.get(keyOf(entry)), "a kept entry was known before").size !== entry.size
  );
  const order = before.filter((entry) => current.has(keyOf(entry)));
  return [
    ...removed.map(({ name }) => `${name} removed`),
    ...added.map(({ name }) => `${name} new`),
    ...resized.map(({ name }) => `${name} resized`),
    ...(kept.every((entry, i) => keyOf(entry) === keyOf(order[i])) ? [] : ["another order"]),
  ];
}

/** One key per index, by which it is found in another version of the axis. */
function indexKeys(axis: Axis = [], size: number): string[] {
  if (axis.length === 0) return Array.from({ length: size }, (_, i) => `${i}/${size}`);
  return axis.flatMap((entry) =>
    Array.from({ length: entry.size }, (_, i) => `${keyOf(entry)} ${i}/${entry.size}`)
  );
}

/** The entry's key, by default its name. */
export function keyOf({ name, key = name }: AxisEntry): string {
  return key;
}

/** Name and key of an entry that is made from several others. */
export function joined(entries: readonly AxisEntry[], by: string) {
  return { name: entries.map(({ name }) => name).join(by), key: entries.map(keyOf).join(by) };
}
