/**
 * An audience that buys hours after it was shown an item. The appeal of items changes every day and
 * items come and go, so that labels lose their worth with time.
 */
import { mixKey, uniformAt } from "../../../kernels/dense/counter_random.ts";

export interface ShownItem {
  readonly id: string;
  readonly category: string;
  /** Time from the visit to the purchase, ms; undefined = it is not bought. */
  readonly boughtAfterMs: number | undefined;
}

export interface AudienceVisit {
  readonly user: string;
  readonly atMs: number;
  readonly items: readonly ShownItem[];
}

export interface Audience {
  readonly visits: readonly AudienceVisit[];
  readonly purchases: number;
}

const START_MS = Date.UTC(2025, 0, 1);
const VISIT_EVERY_MS = 30_000;
const DAY_MS = 86_400_000;
const [USERS, ITEMS, CATEGORIES, SHOWN] = [400, 200, 8, 8];
/** Share of the items that are replaced each day. */
const REPLACED = 0.15;
/** Log-odds of a purchase before taste and appeal. */
const BASE = -3.2;
const DELAY_MEAN_MS = 4 * 3_600_000;

/** Keys of the draws of one audience; audience 0 has the plain ones. */
function keysOf(audience: number): (...key: number[]) => number {
  return (...key) => mixKey(audience === 0 ? key : [...key, audience]);
}

/** Standard normal of a stream. */
function normalOf(stream: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(stream, 0)));
  return radius * Math.cos(2 * Math.PI * uniformAt(stream, 1));
}

/**
 * The same visits for the same numbers.
 *
 * @param audience Another number gives other tastes, appeals and purchases.
 */
export function makeAudience(count: number, audience = 0): Audience {
  let purchases = 0;
  const keyOf = keysOf(audience);
  const normal = (...key: number[]) => normalOf(keyOf(...key));
  const visits = Array.from({ length: count }, (_, visit) => {
    const atMs = START_MS + visit * VISIT_EVERY_MS;
    const day = Math.floor(visit * VISIT_EVERY_MS / DAY_MS);
    const draw = (n: number) => uniformAt(keyOf(1, visit), n);
    const user = Math.floor(draw(0) * USERS);
    const shelf = new Set<number>();
    for (let n = 1; shelf.size < SHOWN; n++) shelf.add(Math.floor(draw(n) * ITEMS));
    const items = [...shelf].map((index, i): ShownItem => {
      const born = bornOn(index, day, keyOf);
      const category = index % CATEGORIES;
      const appeal = 0.8 * normal(2, index, born) + 0.6 * normal(3, index, born, day);
      const taste = normal(4, user, category);
      const chance = 1 / (1 + Math.exp(-(BASE + taste + appeal)));
      const isBought = draw(100 + i) < chance;
      if (isBought) purchases++;
      return {
        id: `i${index}-${born}`,
        category: `c${category}`,
        boughtAfterMs: isBought ? -DELAY_MEAN_MS * Math.log(1 - draw(200 + i)) : undefined,
      };
    });
    return { user: `u${user}`, atMs, items };
  });
  return { visits, purchases };
}

/** The day on which the item that has this index on the shelf today was put there. */
function bornOn(index: number, day: number, keyOf: (...key: number[]) => number): number {
  let born = 0;
  for (let d = 1; d <= day; d++) if (uniformAt(keyOf(5, index), d) < REPLACED) born = d;
  return born;
}
