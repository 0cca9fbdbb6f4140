/**
 * The rankings that gateways share, as one process of a simulation reaches them.
 */
import {
  LogUnavailableError,
  type OnceOutcome,
  type OnceRecord,
} from "../../mesh/ports/event_log.ts";
import {
  RankingExistsError,
  type RankingLookup,
  type RankingRecord,
  RankingsAwaitedError,
  RankingsUnreadError,
  type SharedRankings,
  UNLOGGED_ITEM,
} from "../../mesh/ports/shared_rankings.ts";
import { fnv1a } from "../../structures/fnv1a.ts";
import { RESTORING_LEASES, SHARING_MS } from "../../mesh/adapters/redis/redis_shared_rankings.ts";
import { RedisAwayError, type RedisLink } from "./redis_link.ts";
import type { SimulatedEventLog } from "./simulated_event_log.ts";
import type { RememberedRanking } from "./simulated_redis.ts";

export class SimulatedRankings implements SharedRankings {
  readonly givenUp = 0;
  readonly #link: RedisLink;
  readonly #eventLog: SimulatedEventLog;
  readonly #loaded = new Map<string, RememberedRanking>();
  /** The run of the server that they are from. */
  #loadedRun = "";
  /** Rankings that could not be written; written when the server answers again. */
  readonly #unshared = new Map<string, RememberedRanking>();
  readonly #restoringMs: number;
  /** When the server was found to answer, ms. */
  #backAtMs: number;
  /** The run that was found last. */
  #runId: string;
  /** When it was found in place of another one, ms. */
  #changedAtMs = -Infinity;

  /**
   * @param eventLog Reaches the server by the same link.
   * @param leaseMs Length of a host's lease, ms.
   */
  constructor(link: RedisLink, eventLog: SimulatedEventLog, leaseMs = 0) {
    this.#link = link;
    this.#eventLog = eventLog;
    this.#restoringMs = RESTORING_LEASES * leaseMs;
    this.#backAtMs = link.clock.monotonicMs();
    this.#runId = link.server.run.id;
    link.onBack(() => {
      this.#backAtMs = link.clock.monotonicMs();
      const { id } = link.server.run;
      if (id !== this.#runId) this.#changedAtMs = this.#backAtMs;
      this.#runId = id;
      for (const [id, items] of this.#unshared) void this.#write(id, items);
    });
  }

  append(partition: number, { rankingId, items, bytes }: RankingRecord): Promise<number> {
    const { server } = this.#link;
    const hashes = hashesOf(items);
    return this.#eventLog.appendWith(partition, bytes, (isAgain) => {
      const other = server.ranking(rankingId);
      if (!isAgain && other !== undefined && !isUnlogged(other)) {
        return new RankingExistsError(rankingId);
      }
      server.rememberRanking(rankingId, hashes);
      return undefined;
    });
  }

  async remember(id: string, items: readonly { readonly id: string }[]): Promise<void> {
    this.#unshared.delete(id);
    await this.#write(id, hashesOf(items));
  }

  async load(ids: readonly string[]): Promise<ReadonlyMap<string, Error>> {
    this.#forgetLost();
    const unread = [...new Set(ids)].filter((id) =>
      this.check(id, UNLOGGED_ITEM) !== "item-not-shown"
    );
    if (unread.length === 0) return new Map();
    const { server } = this.#link;
    const found = await this.#link.send(() => unread.map((id) => server.ranking(id))).catch(
      (cause) => {
        const remedy = "Send the request again when Redis answers.";
        return new RankingsUnreadError("the simulated rankings", remedy, cause);
      },
    );
    if (found instanceof Error) return new Map(unread.map((id) => [id, found]));
    unread.forEach((id, i) => this.#loaded.set(id, found[i] ?? []));
    const awaitedMs = this.#awaitedMs;
    if (awaitedMs === 0) return new Map();
    const missing = unread.filter((_, i) => found[i] === undefined);
    const reason = new RankingsAwaitedError("the simulated rankings", awaitedMs);
    return new Map(missing.map((id) => [id, reason]));
  }

  async appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    rankingIds: readonly string[],
  ): Promise<OnceOutcome[]> {
    const { server } = this.#link;
    try {
      return await this.#eventLog.appendOnce(partition, records, () => {
        const isLogged = (id: string) => {
          const found = server.ranking(id);
          return found !== undefined && !isUnlogged(found);
        };
        if (rankingIds.every(isLogged)) return;
        if (this.#awaitedMs > 0) throw new RedisAwayError("rankings may still be appended again");
        throw this.#notThere();
      });
    } catch (error) {
      if (error instanceof LogUnavailableError) {
        for (const id of rankingIds) this.#loaded.delete(id);
      }
      throw error;
    }
  }

  /** As long as on a real server, ms. */
  get #awaitedMs(): number {
    const nowMs = this.#link.clock.monotonicMs();
    if (nowMs - this.#changedAtMs < this.#restoringMs) return this.#restoringMs;
    return nowMs - this.#backAtMs < SHARING_MS ? SHARING_MS : 0;
  }

  #notThere(): LogUnavailableError {
    const cause = new Error("not all rankings are there");
    return new LogUnavailableError("the simulated rankings", "Send the events again.", cause, true);
  }

  get unshared(): number {
    return this.#unshared.size;
  }

  close(): void {
    this.#unshared.clear();
  }

  check(rankingId: string, item: string): RankingLookup {
    this.#forgetLost();
    const hashes = this.#loaded.get(rankingId);
    if (!hashes?.length) return "unknown-ranking";
    return hashes.includes(fnv1a(item)) ? "shown" : "item-not-shown";
  }

  /** Forgets the rankings of an earlier run: a fail-over may have lost them. */
  #forgetLost(): void {
    const { id } = this.#link.server.run;
    if (id !== this.#loadedRun) this.#loaded.clear();
    this.#loadedRun = id;
  }

  async #write(id: string, items: RememberedRanking): Promise<void> {
    const { server } = this.#link;
    try {
      await this.#link.send(() => {
        // Where one is there, it is another ranking of this id, or the log has this one by now.
        if (isUnlogged(items) && server.ranking(id) !== undefined) return;
        server.rememberRanking(id, items);
      });
      this.#unshared.delete(id);
    } catch {
      this.#unshared.set(id, items);
    }
  }
}

/** Whether the log did not take a ranking in time. */
function isUnlogged(ranking: RememberedRanking): boolean {
  return ranking.at(-1) === fnv1a(UNLOGGED_ITEM);
}

function hashesOf(items: readonly { readonly id: string }[]): RememberedRanking {
  return items.map(({ id }) => fnv1a(id));
}
