/**
 * Sends the simulated audience to the real HTTP API: visits at a steady rate, each a rank request
 * and then its clicks posted as events.
 */
import { setTimeout as pause } from "node:timers/promises";
import { FreshnessTracker } from "../load/freshness.ts";
import type { GatewayClient } from "../load/gateway_client.ts";
import { Samples } from "../../offline/evaluation/samples.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import { Arm } from "./arm.ts";
import type { Audience, PageView } from "./audience.ts";
import { present } from "../../structures/invariant.ts";

/** Rate and limits of the visits. */
export interface VisitsOptions {
  readonly seconds: number;
  /** Page views a second. */
  readonly rate: number;
  /** Share of the visits that are shown a random order. */
  readonly controlShare: number;
  /** Visits under way at once; more wait, so that a slow machine is not flooded. */
  readonly inFlightMax: number;
  readonly runId: string;
  /** Called about ten times a second. */
  onTick?(seconds: number): void;
}

/** The audience's visits, with measurements. */
export class Visits {
  readonly ranked = new Arm();
  readonly control = new Arm();
  readonly rankMs = new Samples();
  /** Served scores of the products shown; `clicked` has 1 or 0 for each. */
  readonly scores = new Samples();
  readonly clicked = new Samples();
  readonly freshness = new FreshnessTracker();
  visits = 0;
  clicks = 0;
  readonly #groups: RandomStream;

  constructor(
    readonly client: GatewayClient,
    readonly audience: Audience,
    groups: RandomStream,
    readonly options: VisitsOptions,
  ) {
    this.#groups = groups;
  }

  /** Stores the profiles of all products and shoppers. */
  async introduce(): Promise<void> {
    const { products, shoppers } = this.audience;
    const entries = <P extends { readonly id: string }>(of: readonly P[]) =>
      of.map(({ id, ...attributes }) => ({ id, attributes }));
    await this.client.storeProfiles("item", entries(products));
    await this.client.storeProfiles("user", entries(shoppers));
  }

  /** Runs visits for the configured time. */
  async run(): Promise<void> {
    const { seconds, rate, inFlightMax, onTick } = this.options;
    const startedAtMs = performance.now();
    const elapsed = () => (performance.now() - startedAtMs) / 1000;
    const underWay = new Set<Promise<void>>();
    let [begun, tickedAt] = [0, -Infinity];
    let failure: unknown;
    for (let now = elapsed(); now < seconds && failure === undefined; now = elapsed()) {
      this.audience.advance(now);
      while (begun < now * rate && underWay.size < inFlightMax) {
        begun++;
        const visit: Promise<void> = this.#visit(Math.floor(now))
          .catch((error) => {
            failure ??= error;
          })
          .finally(() => underWay.delete(visit));
        underWay.add(visit);
      }
      // A machine that cannot keep up serves fewer visits, not a growing backlog of them.
      begun = Math.max(begun, Math.floor(now * rate) - inFlightMax);
      if (now - tickedAt >= 0.1) {
        tickedAt = now;
        onTick?.(now);
      }
      await pause(4);
    }
    await Promise.all(underWay);
    if (failure !== undefined) throw failure;
  }

  async #visit(second: number): Promise<void> {
    const view = this.audience.nextPageView();
    const isControl = this.#groups.nextFloat() < this.options.controlShare;
    const { shown: size } = this.audience.options;
    // The control group is offered as many as it is shown, so that the ranking has nothing to
    // choose.
    const offered = isControl ? view.candidates.slice(0, size) : view.candidates;
    const ranking = await this.#rank(view, offered, size);
    const byId = new Map(offered.map((at) => [this.audience.products[at].id, at]));
    const rankedOrder = ranking.items.map(({ id }) =>
      present(byId.get(id), "a ranking has only the items that were offered")
    );
    // The candidates are in random order already.
    const shown = isControl ? offered : rankedOrder;

    const clicked = this.audience.click(view.shopper, shown);
    const clicks = clicked.filter(Boolean).length;
    (isControl ? this.control : this.ranked).record(second, shown.length, clicks);
    this.visits++;
    this.clicks += clicks;
    shown.forEach((product, position) => {
      this.scores.add(ranking.items[rankedOrder.indexOf(product)].score);
      this.clicked.add(clicked[position] ? 1 : 0);
    });
    if (clicks === 0) return;
    const postedAtMs = performance.now();
    const { events } = await this.client.sendEvents(
      shown.filter((_, position) => clicked[position]).map((product) => ({
        eventId: `${this.options.runId}-${ranking.rankingId}-${product}`,
        rankingId: ranking.rankingId,
        item: this.audience.products[product].id,
        action: "click",
      })),
    );
    const answeredAtMs = performance.now();
    for (const event of events) {
      if (event.status === "rejected") {
        throw new Error(`A click was refused: ${event.problem.detail}`);
      }
      this.freshness.accepted(event.acceptedAtMs, postedAtMs, answeredAtMs);
    }
  }

  async #rank(view: PageView, offered: readonly number[], limit: number) {
    const sentAtMs = performance.now();
    const ranking = await this.client.rank({
      user: this.audience.shoppers[view.shopper].id,
      context: { device: view.device },
      candidates: offered.map((at) => ({ id: this.audience.products[at].id })),
      limit,
    });
    const answeredAtMs = performance.now();
    this.rankMs.add(answeredAtMs - sentAtMs);
    this.freshness.answered(ranking.learnedThroughMs, answeredAtMs);
    return ranking;
  }
}
