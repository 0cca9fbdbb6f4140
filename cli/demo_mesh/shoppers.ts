/**
 * The demo's audience as clients of the mesh: each visit is a ranking and the clicks on it, which
 * are sent until a gateway has accepted them.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import type { EventsAnswer } from "../../gateway/schemas/events.ts";
import type { Audience } from "../demo/audience.ts";
import { FreshnessTracker } from "../load/freshness.ts";
import { present } from "../../structures/invariant.ts";
import type { ClickAudit } from "./click_audit.ts";
import { type Gateways, RefusedError } from "./gateways.ts";

export interface ShoppersOptions {
  readonly gateways: Gateways;
  readonly audience: Audience;
  readonly audit: ClickAudit;
  /** Page views a second. */
  readonly rate: number;
  readonly runId: string;
}

/** Visits under way at once. */
const IN_FLIGHT_MAX = 64;
/** Time for which a shopper looks at a page before clicking, ms. */
const LOOK_MS = 500;
/** The problem of an event whose ranking the gateway does not know. */
const UNKNOWN = "/problems/unknown-ranking";
/** Profiles of one request. */
const PROFILES_PER_REQUEST = 100;

export class Shoppers {
  readonly #options: ShoppersOptions;
  freshness = new FreshnessTracker();
  /** Newest `acceptedAtMs`. */
  acceptedAtMs = 0;
  /** Newest `learnedThroughMs` of an answer. */
  learnedThroughMs = 0;
  visits = 0;
  /** Clicks that a gateway refused, because it did not know their ranking. */
  refused = 0;
  #running = true;
  #failure: unknown;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: ShoppersOptions) {
    this.#options = options;
  }

  /** Stores the profiles of all products and shoppers. */
  async introduce(): Promise<void> {
    const { gateways, audience } = this.#options;
    for (const [kind, all] of [["item", audience.products], ["user", audience.shoppers]] as const) {
      const entries = all.map(({ id, ...attributes }) => ({ id, attributes }));
      for (let at = 0; at < entries.length; at += PROFILES_PER_REQUEST) {
        await gateways.store(kind, entries.slice(at, at + PROFILES_PER_REQUEST));
      }
    }
  }

  /** Visits until {@link stop}. */
  async run(): Promise<void> {
    const { rate, audience } = this.#options;
    const beganMs = performance.now();
    for (let begun = 0; this.#running && this.#failure === undefined;) {
      const seconds = (performance.now() - beganMs) / 1_000;
      audience.advance(seconds);
      while (begun < seconds * rate && this.#underWay.size < IN_FLIGHT_MAX) {
        begun++;
        this.#begin();
      }
      // A backlog is not made up for: the machine has two cores.
      begun = Math.max(begun, Math.floor(seconds * rate) - IN_FLIGHT_MAX);
      await pause(5);
    }
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Begins no further visit; {@link run} ends when those under way have ended. */
  stop(): void {
    this.#running = false;
  }

  /** One ranking without clicks, to see the order that the mesh has learned. */
  async look(): Promise<void> {
    await this.#rank();
  }

  #begin(): void {
    const visit: Promise<void> = this.#visit()
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(visit));
    this.#underWay.add(visit);
  }

  async #visit(): Promise<void> {
    const { gateways, audience, audit, runId } = this.#options;
    const { shopper, ranking } = await this.#rank();
    await pause(LOOK_MS);
    const products = new Map(audience.products.map(({ id }, at) => [id, at]));
    const shown = ranking.items.map(({ id }) => present(products.get(id), "a product is ranked"));
    const clicked = audience.click(shopper, shown);
    this.visits++;
    const items = ranking.items.filter((_, position) => clicked[position]).map(({ id }) => id);
    if (items.length === 0) return;
    const postedAtMs = performance.now();
    const { events } = await gateways.sendEvents(items.map((item) => ({
      eventId: `${runId}-${ranking.rankingId}-${item}`,
      rankingId: ranking.rankingId,
      item,
      action: "click",
    }))).catch((error): Pick<EventsAnswer, "events"> => {
      // Another gateway made the ranking and could not share it: the server was away or slow.
      if (!(error instanceof RefusedError && error.message.includes(UNKNOWN))) throw error;
      this.refused += items.length;
      return { events: [] };
    });
    const answeredAtMs = performance.now();
    const { id: user } = audience.shoppers[shopper];
    events.forEach((event, i) => {
      if (event.status === "rejected") {
        throw new Error(`A click was refused: ${event.problem.detail}`);
      }
      audit.clicked({ rankingId: ranking.rankingId, user, item: items[i] });
      this.acceptedAtMs = Math.max(this.acceptedAtMs, event.acceptedAtMs);
      this.freshness.accepted(event.acceptedAtMs, postedAtMs, answeredAtMs);
    });
  }

  async #rank(): Promise<{ readonly shopper: number; readonly ranking: Ranking }> {
    const { gateways, audience } = this.#options;
    const { shopper, device, candidates } = audience.nextPageView();
    const ranking = await gateways.rank({
      user: audience.shoppers[shopper].id,
      context: { device },
      candidates: candidates.map((at) => ({ id: audience.products[at].id })),
      limit: audience.options.shown,
    });
    this.learnedThroughMs = Math.max(this.learnedThroughMs, ranking.learnedThroughMs);
    this.freshness.answered(ranking.learnedThroughMs, performance.now());
    return { shopper, ranking };
  }
}
