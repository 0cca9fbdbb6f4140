/**
 * Sends the visits of a shop over HTTP and measures the scores. Runs in a thread of its own, so
 * that it takes no time from the server's.
 */
import { describeError } from "../../cli/errors.ts";
import { GatewayClient } from "../../cli/load/gateway_client.ts";
import { POPULAR_DAYS, RECOMMENDED, type ShopVisit } from "./shop_visits.ts";

/** The one message to the thread. */
export interface ShopOrder {
  readonly url: string;
  readonly apiKey?: string;
  readonly visits: readonly ShopVisit[];
  /** Time of the newest sale before the visits by item, ms. */
  readonly soldMs: ReadonlyMap<string, number>;
  /** Asks for recommendations before each order, which are not learned from. */
  readonly recommends: boolean;
}

export interface ShopMeasurements {
  /** Scores of all candidates of all visits, in the order of the answers. */
  readonly scores: Float64Array;
  readonly labels: Float64Array;
  /** From sending a rank request to having its answer, ms, one per visit. */
  readonly rankMs: Float64Array;
  /** Shares of the orders' items among the recommended and the most popular ones, by order. */
  readonly recalls: Float64Array;
  readonly popularRecalls: Float64Array;
  /** Shares of recommended items that were sold in the {@link POPULAR_DAYS} before, by order. */
  readonly soldLately: Float64Array;
  /** From sending a request for recommendations to having its answer, ms. */
  readonly recommendMs: Float64Array;
}

export type ShopNews =
  | { readonly kind: "visits"; readonly done: number }
  | { readonly kind: "finished"; readonly measured: ShopMeasurements }
  | { readonly kind: "failed"; readonly message: string };

declare const self: {
  onmessage: ((event: MessageEvent<ShopOrder>) => void) | null;
  postMessage(news: ShopNews): void;
};

const READY_MAX_MS = 60_000;
const VISITS_PER_NEWS = 200;
const DAY_MS = 86_400_000;

self.onmessage = async ({ data: order }) => {
  try {
    self.postMessage({ kind: "finished", measured: await visitAll(order) });
  } catch (error) {
    self.postMessage({ kind: "failed", message: describeError(error, false) });
  }
};

/** One visit after the other, as a busy shop sees them: each ranking knows the visits before it. */
async function visitAll(order: ShopOrder): Promise<ShopMeasurements> {
  const { url, apiKey, visits, recommends } = order;
  const soldMs = new Map(order.soldMs);
  const client = new GatewayClient({
    url,
    ...(apiKey !== undefined && { apiKey }),
    retriesMax: 50,
    retryDelayMsMax: 1_000,
  });
  await client.waitUntilReady(READY_MAX_MS);
  const [scores, labels, rankMs]: number[][] = [[], [], []];
  const [recalls, popularRecalls, soldLately, recommendMs]: number[][] = [[], [], [], []];
  for (const [i, visit] of visits.entries()) {
    for (const kind of ["item", "user"] as const) {
      const profiles = visit.profiles.filter((profile) => profile.kind === kind);
      await client.storeProfiles(kind, profiles.map(({ id, attributes }) => ({ id, attributes })));
    }
    if (recommends && visit.order !== undefined) {
      const { order: { items: bought, popular }, user, atMs: timestamp } = visit;
      const askedAtMs = performance.now();
      const { items } = await client.recommend({
        user,
        timestamp,
        limit: RECOMMENDED,
        learn: false,
      });
      recommendMs.push(performance.now() - askedAtMs);
      const sinceMs = timestamp - POPULAR_DAYS * DAY_MS;
      const sold = items.filter(({ id }) => (soldMs.get(id) ?? -Infinity) >= sinceMs);
      if (items.length > 0) soldLately.push(sold.length / items.length);
      recalls.push(recall(items.map(({ id }) => id), bought));
      popularRecalls.push(recall(popular, bought));
    }
    const sentAtMs = performance.now();
    const { items, rankingId } = await client.rank({
      user: visit.user,
      candidates: visit.candidates.map((id) => ({ id })),
      timestamp: visit.atMs,
    });
    rankMs.push(performance.now() - sentAtMs);
    for (const { id, score } of items) {
      scores.push(score);
      labels.push(visit.bought.has(id) ? 1 : 0);
    }
    const { events } = await client.sendEvents(
      [...visit.bought].map(([item, value], i) => ({
        eventId: `${visit.id}-${i}`,
        rankingId,
        item,
        action: "purchase",
        value,
        timestamp: visit.atMs,
      })),
    );
    const refused = events.find((event) => event.status === "rejected");
    if (refused?.status === "rejected") throw new Error(refused.problem.detail);
    for (const item of visit.bought.keys()) soldMs.set(item, visit.atMs);
    if ((i + 1) % VISITS_PER_NEWS === 0) self.postMessage({ kind: "visits", done: i + 1 });
  }
  return {
    scores: Float64Array.from(scores),
    labels: Float64Array.from(labels),
    rankMs: Float64Array.from(rankMs),
    recalls: Float64Array.from(recalls),
    popularRecalls: Float64Array.from(popularRecalls),
    soldLately: Float64Array.from(soldLately),
    recommendMs: Float64Array.from(recommendMs),
  };
}

/** Share of the bought items that a list has. */
function recall(list: readonly string[], bought: ReadonlySet<string>): number {
  return list.filter((id) => bought.has(id)).length / bought.size;
}
