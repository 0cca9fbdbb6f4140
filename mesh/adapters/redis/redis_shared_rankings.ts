/**
 * Rankings of all gateways in Redis: the hashes of their items under a key each, which expires.
 */
import { fnv1a } from "../../../structures/fnv1a.ts";
import { LogUnavailableError } from "../../ports/event_log.ts";
import type { RankingLookup, SharedRankings } from "../../ports/shared_rankings.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** Options of {@link RedisSharedRankings}. */
export interface SharedRankingsOptions {
  readonly server: RedisServer;
  /** Time for which a ranking is kept, ms. */
  readonly keptMs: number;
}

/** Rankings of other gateways that are kept here. */
const LOADED_MAX = 10_000;
/** Longest wait of a ranking until it is remembered, ms. */
const REMEMBER_MS = 100;

export class RedisSharedRankings implements SharedRankings {
  readonly #options: SharedRankingsOptions;
  /** Hashes of the items of rankings that were loaded, oldest first; empty = there is none. */
  readonly #loaded = new Map<string, Uint32Array>();

  constructor(options: SharedRankingsOptions) {
    this.#options = options;
  }

  async remember(rankingId: string, items: readonly { readonly id: string }[]): Promise<void> {
    const { server, keptMs } = this.#options;
    const hashes = Uint32Array.from(items, ({ id }) => fnv1a(id) >>> 0);
    const written = server.commands.send([
      "SET",
      this.#key(rankingId),
      new Uint8Array(hashes.buffer),
      "PX",
      keptMs,
    ]).catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => timer = setTimeout(resolve, REMEMBER_MS));
    await Promise.race([written, late]);
    clearTimeout(timer);
  }

  async load(rankingIds: readonly string[]): Promise<void> {
    // A ranking that was not there may be there now.
    const ids = [...new Set(rankingIds)].filter((id) => !this.#loaded.get(id)?.length);
    if (ids.length === 0) return;
    const { server } = this.#options;
    const found = await server.commands.sendForBytes<(Uint8Array | null)[]>(
      ["MGET", ...ids.map((id) => this.#key(id))],
    ).catch((error) => {
      if (!(error instanceof RedisUnavailableError)) throw error;
      throw new LogUnavailableError(
        `the rankings at ${server.url}`,
        "Send the events again when Redis answers.",
        error,
        true,
      );
    });
    ids.forEach((id, i) => {
      this.#loaded.delete(id);
      this.#loaded.set(id, new Uint32Array(new Uint8Array(found[i] ?? []).buffer));
    });
    for (const id of this.#loaded.keys()) {
      if (this.#loaded.size <= Math.max(LOADED_MAX, ids.length)) break;
      this.#loaded.delete(id);
    }
  }

  check(rankingId: string, item: string): RankingLookup {
    const hashes = this.#loaded.get(rankingId);
    if (!hashes?.length) return "unknown-ranking";
    return hashes.includes(fnv1a(item) >>> 0) ? "shown" : "item-not-shown";
  }

  #key(rankingId: string): string {
    return this.#options.server.key(`ranking:${rankingId}`);
  }
}
