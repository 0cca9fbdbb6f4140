/**
 * The rankings that gateways share, as one process of a simulation reaches them.
 */
import { LogUnavailableError } from "../../mesh/ports/event_log.ts";
import {
  type RankingLookup,
  type SharedRankings,
  UNLOGGED_ITEM,
} from "../../mesh/ports/shared_rankings.ts";
import { fnv1a } from "../../structures/fnv1a.ts";
import type { RedisLink } from "./redis_link.ts";
import type { RememberedRanking } from "./simulated_redis.ts";

/** Longest wait of a ranking until it is remembered, ms. */
const REMEMBER_MS = 100;

export class SimulatedRankings implements SharedRankings {
  readonly givenUp = 0;
  readonly #link: RedisLink;
  readonly #loaded = new Map<string, RememberedRanking>();
  /** Rankings that could not be written; written when the server answers again. */
  readonly #unshared = new Map<string, RememberedRanking>();

  constructor(link: RedisLink) {
    this.#link = link;
    link.onBack(() => {
      for (const [id, items] of this.#unshared) void this.#write(id, items);
    });
  }

  async remember(id: string, items: readonly { readonly id: string }[]): Promise<void> {
    const { clock } = this.#link;
    const written = this.#write(id, items.map((item) => fnv1a(item.id)));
    const late = Promise.withResolvers<void>();
    const timer = clock.schedule(REMEMBER_MS, late.resolve);
    await Promise.race([written, late.promise]);
    timer.cancel();
  }

  async load(ids: readonly string[]): Promise<void> {
    const missing = [...new Set(ids)].filter((id) =>
      this.check(id, UNLOGGED_ITEM) !== "item-not-shown"
    );
    if (missing.length === 0) return;
    const { server } = this.#link;
    const found = await this.#link.send(() => missing.map((id) => server.ranking(id))).catch(
      (cause) => {
        const remedy = "Send the events again when Redis answers.";
        throw new LogUnavailableError("the simulated rankings", remedy, cause, true);
      },
    );
    missing.forEach((id, i) => this.#loaded.set(id, found[i] ?? []));
  }

  get unshared(): number {
    return this.#unshared.size;
  }

  close(): void {
    this.#unshared.clear();
  }

  check(rankingId: string, item: string): RankingLookup {
    const hashes = this.#loaded.get(rankingId);
    if (!hashes?.length) return "unknown-ranking";
    return hashes.includes(fnv1a(item)) ? "shown" : "item-not-shown";
  }

  async #write(id: string, items: RememberedRanking): Promise<void> {
    const { server } = this.#link;
    try {
      await this.#link.send(() => server.rememberRanking(id, items));
      this.#unshared.delete(id);
    } catch {
      this.#unshared.set(id, items);
    }
  }
}
