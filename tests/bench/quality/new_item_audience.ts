/**
 * An audience of a shop whose items are replaced day by day, for the measurement of new items. It
 * knows the probability with which a user clicks an item, so that rankings are compared without the
 * chance of single clicks.
 */
import { mixKey, uniformAt } from "../../../kernels/dense/counter_random.ts";

const [USERS, ITEMS, CATEGORIES] = [400, 300, 8];
/** Candidates of a ranking. */
export const CANDIDATES = 60;
/** Share of the items that are replaced each day. */
const REPLACED = 0.1;
/** Log-odds of a click before taste and appeal. */
const BASE = -2.5;
const START_MS = Date.UTC(2025, 0, 1);
const VISIT_EVERY_MS = 30_000;
const DAY_MS = 86_400_000;

/** An item of the shop. */
export interface OfferedItem {
  readonly id: string;
  readonly category: string;
  /** The day on which it came, from 0; items of the first day come on day -1. */
  readonly cameOn: number;
  /** Its log-odds of a click for a mean user, less those of a mean item. */
  readonly appeal: number;
}

/** One user's view of some items. */
export interface Visit {
  readonly user: string;
  readonly atMs: number;
  readonly day: number;
  readonly candidates: readonly OfferedItem[];
  /** Probability of a click on each candidate, by id. */
  readonly chances: ReadonlyMap<string, number>;
}

/** Standard normal by key. */
function normal(...key: number[]): number {
  const stream = mixKey(key);
  const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(stream, 0)));
  return radius * Math.cos(2 * Math.PI * uniformAt(stream, 1));
}

/** The same visit for the same number and seed. */
export function visitOf(visit: number, seed: number): Visit {
  const atMs = START_MS + visit * VISIT_EVERY_MS;
  const day = Math.floor(visit * VISIT_EVERY_MS / DAY_MS);
  const draw = (n: number) => uniformAt(mixKey([seed, 1, visit]), n);
  const user = Math.floor(draw(0) * USERS);
  const shelves = new Set<number>();
  for (let n = 1; shelves.size < CANDIDATES; n++) shelves.add(Math.floor(draw(n) * ITEMS));
  const candidates = [...shelves].map((shelf): OfferedItem => {
    const cameOn = cameOnOf(shelf, day, seed);
    const category = `c${shelf % CATEGORIES}`;
    const appeal = normal(seed, 2, shelf, cameOn);
    return { id: `i${shelf}-${cameOn}`, category, cameOn, appeal };
  });
  const chances = new Map(candidates.map(({ id, appeal, category }) => {
    const taste = 0.7 * normal(seed, 4, user, Number(category.slice(1)));
    return [id, 1 / (1 + Math.exp(-(BASE + taste + appeal)))];
  }));
  return { user: `u${user}`, atMs, day, candidates, chances };
}

/** The last day until now on which the item of a shelf was replaced. */
function cameOnOf(shelf: number, day: number, seed: number): number {
  for (let born = day; born > 0; born--) {
    if (uniformAt(mixKey([seed, 5, shelf]), born) < REPLACED) return born;
  }
  return -1;
}
