/**
 * Gives a share of the first positions to new items, which the model cannot rank well yet: it has
 * learned little about them, and learns nothing about an item that is never shown.
 *
 * A draw by the ranking's id decides everything, so that the same ranking gives the same order:
 *
 *     quota     ⌊share · positions + u⌋ with u uniform in [0, 1): `share · positions` on average
 *     items     new items behind the first positions, each with the same chance
 *     positions uniform among the first ones, so that being new says nothing about the position
 *
 * New items that the order has in the first positions already count against the quota.
 */
import { fingerprintOf } from "../structures/fingerprint.ts";
import { invariant, present } from "../structures/invariant.ts";

/** Items in an order, and the rule over them. */
export interface OrderWithNewItems {
  /** Indices of the items, the best first. */
  readonly rows: Uint32Array;
  /** Ids by index. */
  readonly ids: readonly string[];
  /** Decides the draws. */
  readonly rankingId: string;
  /** Share of the first positions, 0 to 1. */
  readonly share: number;
  /** Positions of which new items get the share; at most the length of `rows`. */
  readonly positions: number;
  isNew(row: number): boolean;
  /** Whether the rule may move a new item into the first positions. */
  mayMove(row: number): boolean;
  /**
   * Whether an item may stand among the first positions.
   *
   * @param first Items there that it would follow at most, in their order.
   * @param moved Items that the rule moved there before.
   */
  fits(row: number, first: readonly number[], moved: readonly number[]): boolean;
}

/** An item that the rule moved into the first positions. */
export interface MovedNewItem {
  readonly row: number;
  /** Probability that a ranking of the same order moves the item, in (0, 1]; a cap lowers it. */
  readonly chance: number;
}

/** The order after the rule. */
export interface NewItemPositions {
  readonly rows: Uint32Array;
  readonly moved: readonly MovedNewItem[];
  /** Positions of which new items get the share. */
  readonly positions: number;
  /** New items that the order had in these positions. */
  readonly ranked: number;
  /** Positions of the quota for which there was no new item. */
  readonly missing: number;
}

/** Orders the items so that new ones have their share of the first positions. */
export function withNewItems(order: OrderWithNewItems): NewItemPositions {
  const { rows, ids, rankingId, share, positions } = order;
  invariant(positions <= rows.length, "the first positions are positions of the order");
  const first = [...rows.subarray(0, positions)];
  const ranked = first.filter((row) => order.isNew(row)).length;
  const expected = share * positions;
  const quota = quotaOf(rankingId, expected);
  const needed = Math.max(0, quota - ranked);
  const behind = [...rows.subarray(positions)]
    .filter((row) => order.isNew(row) && order.mayMove(row));
  const unmoved = { rows, moved: [], positions, ranked, missing: needed };
  if (needed === 0 || behind.length === 0) return unmoved;

  const lottery = byDraw(behind, (row) => `${rankingId} ${ids[row]}`);
  const moved: number[] = [];
  for (const row of lottery) {
    if (moved.length === needed) break;
    const last = first.findLastIndex((each) => !order.isNew(each));
    if (last < 0) break;
    const others = first.toSpliced(last, 1);
    if (!order.fits(row, others, moved)) continue;
    first.splice(last, 1);
    moved.push(row);
  }
  const taken = new Set(drawnPositions(rankingId, positions, moved.length));
  const [own, others] = [moved.values(), first.values()];
  const head = Array.from({ length: positions }, (_, at) => {
    const { value } = (taken.has(at) ? own : others).next();
    return present(value, "the first positions hold the moved items and the others");
  });
  const isFirst = new Set(head);
  const chance = chanceOf({ expected, ranked, candidates: behind.length });
  return {
    rows: Uint32Array.from([...head, ...rows.filter((row) => !isFirst.has(row))]),
    moved: moved.map((row) => ({ row, chance })),
    positions,
    ranked,
    missing: needed - moved.length,
  };
}

/** Positions that a ranking gives to new items, whose mean over rankings is `expected`. */
export function quotaOf(rankingId: string, expected: number): number {
  return Math.floor(expected + draw(`${rankingId} quota`));
}

/** The positions of so many moved items, from 0, among the first `positions`. */
export function drawnPositions(rankingId: string, positions: number, count: number): number[] {
  return byDraw([...Array(positions).keys()], (at) => `${rankingId} at ${at}`).slice(0, count);
}

/** Mean number of items that are moved, over the draws of the quota, by candidate. */
function chanceOf({ expected, ranked, candidates }: {
  readonly expected: number;
  readonly ranked: number;
  readonly candidates: number;
}): number {
  const least = Math.floor(expected);
  const moves = (quota: number) => Math.min(candidates, Math.max(0, quota - ranked));
  const more = expected - least;
  return ((1 - more) * moves(least) + more * moves(least + 1)) / candidates;
}

/** The entries in the order of their draws. */
function byDraw<T>(entries: readonly T[], textOf: (entry: T) => string): T[] {
  return entries
    .map((entry) => ({ entry, at: draw(textOf(entry)) }))
    .sort((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}

/** A number in [0, 1) that a text decides, uniform over texts. */
export function draw(text: string): number {
  const { low, high } = fingerprintOf(text);
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}
