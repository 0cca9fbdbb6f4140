/**
 * Shards, joiners and trainers in the words of an operator.
 */
import type { PlacedKey, PlacedKind } from "../../mesh/ports/coordination.ts";
import { parsePlacedKey } from "../../mesh/ports/coordination.ts";
import { counted } from "../../structures/counted.ts";

const nouns: Readonly<Record<PlacedKind, string>> = {
  shard: "shard",
  events: "joiner",
  trainer: "trainer",
};

/** The kind of the parts that operators call so; undefined for any other word. */
export function kindCalled(noun: string): PlacedKind | undefined {
  return (Object.keys(nouns) as PlacedKind[]).find((kind) => nouns[kind] === noun);
}

/** A part by its noun and number, for example `joiner 3`. */
export function partName(key: PlacedKey): string {
  const { kind, number } = parsePlacedKey(key);
  return `${nouns[kind]} ${number}`;
}

/** An actor that goes with a joiner or a trainer, for example `keeper 0`. */
export function followerName(address: string): string {
  const [kind, number] = address.split("/");
  return kind === "feature_keeper" ? `keeper ${number}` : kind.replaceAll("_", " ");
}

/** The number of parts of each kind, for example `2 shards and 1 joiner`; "" without parts. */
export function countedParts(keys: readonly PlacedKey[]): string {
  const counts = (["shard", "events", "trainer"] as const).flatMap((kind) => {
    const count = keys.filter((key) => parsePlacedKey(key).kind === kind).length;
    return count === 0 ? [] : [counted(count, nouns[kind])];
  });
  return counts.length < 2
    ? counts.join("")
    : `${counts.slice(0, -1).join(", ")} and ${counts[counts.length - 1]}`;
}
