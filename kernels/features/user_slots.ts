/**
 * The rows of one user: those of the id itself, and the crosses that have it as a part.
 *
 * A cross is hashed from the ids of its parts, so it cannot be found by the user's id alone. An
 * example with a cross has all parts of it, so the rows of the other parts' slots are the values
 * that the user can be crossed with.
 */
import type { FeatureIds } from "../embedding/options.ts";
import type { FeatureSchema } from "./schema.ts";
import type { ValueHasher } from "./value_buffer.ts";

/** A slot of crosses with the user's id. */
export interface UserCross {
  readonly name: string;
  readonly slot: number;
  /** Slot numbers of the parts, in the order in which they are hashed. */
  readonly parts: readonly number[];
  /**
   * Whether the other parts have a row wherever the cross has one: they are admitted as early and
   * expire as late. Otherwise a row of the cross may stay that nothing else leads to.
   */
  readonly isComplete: boolean;
}

/** The slots that have rows of one user. */
export interface UserSlots {
  /** Numbers of the slots that read the user's id. */
  readonly ids: readonly number[];
  readonly crosses: readonly UserCross[];
}

/** Combinations of one array at most. */
const COMBINATIONS_PER_PART = 1 << 16;

/**
 * The slots of a schema that have rows of one user.
 *
 * @param outlives Whether each row of the second slot, by number, has a row of the first too.
 */
export function userSlotsOf(
  { slots }: Pick<FeatureSchema, "slots">,
  outlives: (part: number, cross: number) => boolean,
): UserSlots {
  const ids = slots.filter((slot) => slot.kind === "id" && slot.source === "user")
    .map(({ number }) => number);
  const numbers = new Map(slots.map(({ name, number }) => [name, number]));
  const crosses = slots.flatMap((slot) => {
    if (slot.kind !== "cross") return [];
    const parts = slot.of.flatMap((part) => numbers.get(part) ?? []);
    if (!parts.some((part) => ids.includes(part))) return [];
    const isComplete = parts.every((part) => ids.includes(part) || outlives(part, slot.number));
    return [{ name: slot.name, slot: slot.number, parts, isComplete }];
  });
  return { ids: [...new Set(ids)], crosses };
}

/** The slots besides the user's own whose ids {@link crossIds} needs. */
export function partnersOf({ ids, crosses }: UserSlots): number[] {
  return [...new Set(crosses.flatMap(({ parts }) => parts))].filter((slot) => !ids.includes(slot));
}

/**
 * Number of combinations of a cross.
 *
 * @param idsOf The ids of a part's slot.
 */
export function combinationsOf(cross: UserCross, idsOf: (slot: number) => FeatureIds): number {
  return cross.parts.reduce((product, part) => product * idsOf(part).length, 1);
}

/** The ids of all combinations of a cross, in arrays of at most 65,536. */
export function* crossIds(
  { slot, parts }: UserCross,
  idsOf: (slot: number) => FeatureIds,
  hasher: ValueHasher,
): Generator<FeatureIds> {
  const lists = parts.map(idsOf);
  const total = lists.reduce((product, { length }) => product * length, 1);
  for (let from = 0; from < total; from += COMBINATIONS_PER_PART) {
    const count = Math.min(COMBINATIONS_PER_PART, total - from);
    const words = new BigUint64Array(count * parts.length);
    for (let i = 0; i < count; i++) {
      let rest = from + i;
      for (let part = parts.length - 1; part >= 0; part--) {
        const { length } = lists[part];
        words[i * parts.length + part] = lists[part][rest % length];
        rest = Math.floor(rest / length);
      }
    }
    yield hasher.hash(
      new Uint16Array(count).fill(slot),
      new Uint8Array(words.buffer),
      Uint32Array.from({ length: count + 1 }, (_, i) => 8 * parts.length * i),
    ).slice();
  }
}
