/**
 * What the places along an axis of a parameter are of: by this a checkpoint's weights find their places again in a model
 * whose slots, dense values or tasks have come, gone or moved.
 */

/** Places that lie side by side. */
export interface NamedPlaces {
  /** `slot genres`, `dense price`, `task click`. */
  readonly name: string;
  /** What stays where the name changes; unique within its axis. Default: the name. */
  readonly key?: string;
  readonly places: number;
}

/** All places along an axis; empty = they are told by their numbers alone. */
export type Axis = readonly NamedPlaces[];

/** Places in all. */
export function placesOf(axis: Axis): number {
  return axis.reduce((sum, { places }) => sum + places, 0);
}

/**
 * Where each of an axis' places was before, -1 where it was not. What has become wider or narrower is something else, and
 * so is an unnamed axis of another size.
 */
export function placesBefore(
  before: Axis | undefined,
  sizeBefore: number,
  now: Axis | undefined,
  size: number,
): Int32Array {
  const places = new Map(placeKeys(before, sizeBefore).map((key, place) => [key, place]));
  return Int32Array.from(placeKeys(now, size), (key) => places.get(key) ?? -1);
}

/** What came, went or moved along an axis, in words; empty where nothing did. */
export function axisDifferences(before: Axis = [], now: Axis = []): string[] {
  const [known, present] = [before, now].map((axis) =>
    new Map(axis.map((part) => [keyOf(part), part]))
  );
  const gone = before.filter((part) => !present.has(keyOf(part)));
  const added = now.filter((part) => !known.has(keyOf(part)));
  const kept = now.filter((part) => known.has(keyOf(part)));
  const resized = kept.filter((part) => known.get(keyOf(part))!.places !== part.places);
  const order = before.filter((part) => present.has(keyOf(part)));
  return [
    ...gone.map(({ name }) => `${name} gone`),
    ...added.map(({ name }) => `${name} new`),
    ...resized.map(({ name }) => `${name} resized`),
    ...(kept.every((part, i) => keyOf(part) === keyOf(order[i])) ? [] : ["another order"]),
  ];
}

/** What tells each place from the others. */
function placeKeys(axis: Axis = [], size: number): string[] {
  if (axis.length === 0) return Array.from({ length: size }, (_, i) => `${i}/${size}`);
  return axis.flatMap((part) =>
    Array.from({ length: part.places }, (_, i) => `${keyOf(part)} ${i}/${part.places}`)
  );
}

/** What a checkpoint knows it by. */
export function keyOf({ name, key = name }: NamedPlaces): string {
  return key;
}

/** Name and key of what is made from several others. */
export function joined(parts: readonly NamedPlaces[], by: string) {
  return { name: parts.map(({ name }) => name).join(by), key: parts.map(keyOf).join(by) };
}
