/**
 * The visits of a shop, from its order lines: each ranks 50 candidates, the items that were then
 * bought among popular ones.
 */
import { uniformAt } from "../../kernels/dense/counter_random.ts";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { History, PastEvent } from "../../offline/import/history.ts";
import { fnv1a } from "../../structures/fnv1a.ts";

export interface ShopVisit {
  readonly id: string;
  readonly user: string;
  readonly atMs: number;
  readonly candidates: readonly string[];
  /** The whole order, for its first visit; absent for the others. */
  readonly order?: {
    readonly items: ReadonlySet<string>;
    /** The items of the most order lines in the days before, the most popular first. */
    readonly popular: readonly string[];
  };
  /** The items of `candidates` that are bought, with their quantities. */
  readonly bought: ReadonlyMap<string, number>;
  /** Attributes that are new since the visit before. */
  readonly profiles: readonly {
    readonly kind: "user" | "item";
    readonly id: string;
    readonly attributes: FeatureAttributes;
  }[];
}

const CANDIDATES = 50;
/** Items of a list that is compared with an order. */
export const RECOMMENDED = 20;
/** Days before an order in which the popular items are counted. */
export const POPULAR_DAYS = 30;
/** Items of a visit that are bought; an order of more lines is several visits. */
const BOUGHT_MAX = 10;
/** Newest order lines whose items are the popular ones. */
const POPULAR_LINES = 10_000;
const DRAWS_MAX = 2_000;

/**
 * The visits from a time on. The order lines before it tell which items are popular at first.
 *
 * @param fromMs Time of the first order line that is replayed, ms.
 */
export function* shopVisits(history: History, fromMs: number): Generator<ShopVisit> {
  const order = history.eventsByTime();
  const popular: string[] = [];
  const counts = new PopularItems(POPULAR_DAYS * 86_400_000);
  let lines = 0;
  const known = new Map<string, FeatureAttributes>();
  const news: ShopVisit["profiles"][number][] = [];
  const learn = (kind: "user" | "item", id: string, attributes: FeatureAttributes | undefined) => {
    const key = `${kind} ${id}`;
    if (attributes === undefined || known.get(key) === attributes) return;
    known.set(key, attributes);
    news.push({ kind, id, attributes });
  };
  for (let i = 0; i < order.length;) {
    const first = history.event(order[i]);
    const group: PastEvent[] = [];
    for (; i < order.length; i++) {
      const next = history.event(order[i]);
      if (next.visit !== first.visit || next.user !== first.user) break;
      group.push(next);
    }
    for (const { user, item, userFields, itemFields } of group) {
      learn("user", user, userFields);
      learn("item", item, itemFields);
    }
    const bought = new Map<string, number>();
    for (const { item, value } of group) if (value >= 1) bought.set(item, value);
    if (first.atMs >= fromMs && popular.length > 0) {
      const items = [...bought.keys()];
      const best = counts.top(RECOMMENDED, first.atMs);
      for (let at = 0; at < items.length; at += BOUGHT_MAX) {
        const some = items.slice(at, at + BOUGHT_MAX);
        const id = `shop-${i}-${at}`;
        yield {
          id,
          user: first.user,
          atMs: first.atMs,
          ...(at === 0 && { order: { items: new Set(items), popular: best } }),
          candidates: candidatesOf(id, some, bought, popular),
          bought: new Map(some.map((item) => [item, bought.get(item) ?? 1])),
          profiles: news.splice(0),
        };
      }
    }
    for (const item of bought.keys()) {
      popular[lines++ % POPULAR_LINES] = item;
      counts.add(item, first.atMs);
    }
  }
}

/** The bought items among popular ones, in an order that tells nothing. */
function candidatesOf(
  id: string,
  items: readonly string[],
  bought: ReadonlyMap<string, number>,
  popular: readonly string[],
): string[] {
  const key = fnv1a(id);
  const candidates = new Set(items);
  for (let draw = 0; draw < DRAWS_MAX && candidates.size < CANDIDATES; draw++) {
    const item = popular[Math.floor(uniformAt(key, draw) * popular.length)];
    // An item of the same order that another visit ranks was not passed over here.
    if (!bought.has(item)) candidates.add(item);
  }
  return [...candidates].map((item, i) => ({ item, at: uniformAt(key, DRAWS_MAX + i) }))
    .sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/** Order lines by item in a sliding window. */
class PopularItems {
  readonly #windowMs: number;
  readonly #lines: { readonly item: string; readonly atMs: number }[] = [];
  readonly #counts = new Map<string, number>();
  #oldest = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Times ascend. */
  add(item: string, atMs: number): void {
    this.#lines.push({ item, atMs });
    this.#counts.set(item, (this.#counts.get(item) ?? 0) + 1);
  }

  top(count: number, nowMs: number): string[] {
    for (; this.#lines[this.#oldest]?.atMs < nowMs - this.#windowMs; this.#oldest++) {
      const { item } = this.#lines[this.#oldest];
      this.#counts.set(item, (this.#counts.get(item) ?? 0) - 1);
    }
    return [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, count).map(([item]) => item);
  }
}
