/**
 * Rankings of all gateways in Redis: the hashes of their items under a key each, which expires. The
 * script that appends a ranking to the event log writes its key too, and the one that appends an
 * event on a ranking of another gateway looks for it: where the key is, the log has the ranking,
 * unless it is marked as not taken. A failover may leave such a key and lose the ranking.
 *
 * A ranking that the log did not take, and whose key could not be written, is held here and written
 * when the server answers again. Until then its own gateway accepts its events; the others ask for
 * them again, as long as the server is full or was full or away a moment ago, and later ask that
 * gateway. A gateway that has just started asks for them again too: it does not know whether the
 * server was away. In another run of the server rankings may be lost that were there, and their
 * gateways may be slow to append them again: then the others ask for longer.
 */
import { fnv1a } from "../../../structures/fnv1a.ts";
import { LogFullError, type OnceOutcome, type OnceRecord } from "../../ports/event_log.ts";
import {
  RankingExistsError,
  type RankingLookup,
  type RankingRecord,
  RankingsAwaitedError,
  RankingsUnreadError,
  type SharedRankings,
  UNLOGGED_ITEM,
} from "../../ports/shared_rankings.ts";
import { KeyTakenError } from "./append_batch.ts";
import { fullMemory } from "./full_memory.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisEventLog } from "./redis_event_log.ts";
import type { RedisServer } from "./redis_server.ts";

/** Options of {@link RedisSharedRankings}. */
export interface SharedRankingsOptions {
  readonly server: RedisServer;
  /** The event log on that server. */
  readonly eventLog: RedisEventLog;
  /** Time for which a ranking is retained, ms. */
  readonly retainedMs: number;
  /**
   * Time in a run of the server within which other gateways may still write the rankings that they
   * hold, ms; 0 = there are no others. Default 3000: they connect again and try at most one and a
   * half seconds later.
   */
  readonly sharingMs?: number;
  /**
   * Length of a host's lease, ms: after a change of the server's run, which may have lost rankings,
   * the others have {@link RESTORING_LEASES} of them to append these again. Default 0.
   */
  readonly leaseMs?: number;
}

/** A ranking whose key is to be written. */
interface UnsharedRanking {
  /** Hashes of its items. */
  readonly bytes: Uint8Array;
  /** When it expires, on the monotonic clock, ms. */
  readonly untilMs: number;
  /** Whether it leaves a key that is there. */
  readonly yields: boolean;
}

/** Rankings of other gateways that are held here. */
const LOADED_MAX = 10_000;
/** Pause between two attempts to write the rankings that could not be written, ms. */
const RETRY_MS = 500;
/** Rankings that wait to be written; the oldest ones make room. */
const UNSHARED_MAX = 10_000;
/** Default of {@link SharedRankingsOptions.sharingMs}. */
export const SHARING_MS = 3_000;
/** A host that is cut off or slow gets its lease, and as long again to come back. */
export const RESTORING_LEASES = 2;
/** Rankings of one attempt. */
const BATCH_MAX = 500;
/** End of the value of a ranking that the log did not take. */
const unloggedEnd = hashesOf([{ id: UNLOGGED_ITEM }]);

export class RedisSharedRankings implements SharedRankings {
  readonly #options: SharedRankingsOptions;
  /** Hashes of the items of rankings that were loaded, oldest first; empty = there is none. */
  readonly #loaded = new Map<string, Uint32Array>();
  /** Rankings that could not be written, oldest first. */
  readonly #unshared = new Map<string, UnsharedRanking>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #givenUp = 0;
  readonly #unsubscribe: () => void;
  /** When the server last had no memory for a record, on the monotonic clock, ms. */
  #fullAtMs = -Infinity;

  constructor(options: SharedRankingsOptions) {
    this.#options = options;
    // A failover may have lost them; their gateways log them again.
    this.#unsubscribe = options.server.commands.onReady(() => this.#loaded.clear());
  }

  async append(partition: number, { rankingId, items, bytes }: RankingRecord): Promise<number> {
    const { eventLog, retainedMs } = this.#options;
    try {
      return await eventLog.appendWith(partition, bytes, {
        key: this.#key(rankingId),
        bytes: hashesOf(items),
        retainedMs,
        // Its own key, written because the log did not take it in time.
        replacesEnd: unloggedEnd,
      });
    } catch (error) {
      this.#noteFull(error);
      throw error instanceof KeyTakenError ? new RankingExistsError(rankingId) : error;
    }
  }

  async remember(rankingId: string, items: readonly { readonly id: string }[]): Promise<void> {
    const ranking = {
      bytes: hashesOf(items),
      untilMs: performance.now() + this.#options.retainedMs,
      // Where a key is there, it is of another ranking of this id, or the log has this one by now.
      yields: items.at(-1)?.id === UNLOGGED_ITEM,
    };
    // An earlier attempt for the same ranking may wait, or fail only now: it must not come last.
    this.#unshared.delete(rankingId);
    try {
      await this.#write(rankingId, ranking);
      this.#unshared.delete(rankingId);
    } catch {
      this.#keep(rankingId, ranking);
    }
  }

  get unshared(): number {
    return this.#unshared.size;
  }

  get givenUp(): number {
    return this.#givenUp;
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#unshared.clear();
  }

  async load(rankingIds: readonly string[]): Promise<ReadonlyMap<string, Error>> {
    // All that are asked for are held together: the caller reads each of them.
    const asked = new Map([...new Set(rankingIds)].map((id) => [id, this.#loaded.get(id)]));
    // A ranking that was not there may be there now, and one may be logged by now.
    const ids = [...asked.keys()].filter((id) =>
      this.check(id, UNLOGGED_ITEM) !== "item-not-shown"
    );
    if (ids.length === 0) return new Map();
    const found = await this.#read(ids);
    if (found instanceof Error) return new Map(ids.map((id) => [id, found]));
    ids.forEach((id, i) => asked.set(id, new Uint32Array(new Uint8Array(found[i] ?? []).buffer)));
    const missing = ids.filter((id) => !asked.get(id)?.length && !this.#unshared.has(id));
    const reason = missing.length > 0 && await this.#reasonToAwait();
    for (const [id, hashes = new Uint32Array()] of asked) {
      // A later look may have found it meanwhile.
      const newest = hashes.length > 0 ? hashes : this.#loaded.get(id) ?? hashes;
      this.#loaded.delete(id);
      this.#loaded.set(id, newest);
    }
    for (const id of this.#loaded.keys()) {
      if (this.#loaded.size <= Math.max(LOADED_MAX, asked.size)) break;
      this.#loaded.delete(id);
    }
    return new Map(reason ? missing.map((id) => [id, reason]) : []);
  }

  /** The stored values of rankings, or why they cannot be read. */
  async #read(ids: readonly string[]): Promise<(Uint8Array | null)[] | RankingsUnreadError> {
    const { commands } = this.#options.server;
    try {
      return await commands.sendForBytes(["MGET", ...ids.map((id) => this.#key(id))]);
    } catch (error) {
      return this.#unread(error);
    }
  }

  /**
   * The error of a command to a server that is away.
   *
   * @throws Other errors.
   */
  #unread(error: unknown): RankingsUnreadError {
    if (!(error instanceof RedisUnavailableError)) throw error;
    const remedy = "Send the request again when Redis answers.";
    return new RankingsUnreadError(this.#inWords, remedy, error);
  }

  /** Why rankings that are not there may come; undefined where they do not exist. */
  async #reasonToAwait(): Promise<Error | undefined> {
    // While the log takes no rankings, their gateways write them one by one, a little later.
    const refusal = this.#options.eventLog.refusal();
    if (refusal !== undefined) return refusal;
    const awaitedMs = this.#awaitedMs;
    if (awaitedMs > 0) return new RankingsAwaitedError(this.#inWords, awaitedMs);
    return await this.#refusedWrite();
  }

  /** Why the server takes no writes: other gateways cannot write what they hold. */
  async #refusedWrite(): Promise<Error | undefined> {
    const { server } = this.#options;
    try {
      // Changes nothing: no ranking has an empty id.
      await server.commands.send(["SET", this.#key(""), "", "XX"]);
      return undefined;
    } catch (error) {
      const full = fullMemory(error, this.#inWords, server);
      this.#noteFull(full);
      return full ?? this.#unread(error);
    }
  }

  get #inWords(): string {
    return `the rankings at ${this.#options.server.url}`;
  }

  check(rankingId: string, item: string): RankingLookup {
    const hashes = this.#loaded.get(rankingId);
    if (!hashes?.length) return "unknown-ranking";
    return hashes.includes(fnv1a(item) >>> 0) ? "shown" : "item-not-shown";
  }

  async appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    rankingIds: readonly string[],
  ): Promise<OnceOutcome[]> {
    const ids = [...new Set(rankingIds)];
    try {
      return await this.#options.eventLog.appendOnce(partition, records, {
        keys: ids.map((id) => this.#key(id)),
        voidEnd: unloggedEnd,
        onMissing: () => {
          // The next load looks again.
          for (const id of ids) this.#loaded.delete(id);
          return this.#awaitedMs > 0;
        },
      });
    } catch (error) {
      this.#noteFull(error);
      throw error;
    }
  }

  /**
   * The time within which other gateways may still write rankings that they made in an earlier run,
   * or while the server was away or full, from its beginning or end, ms; 0 = it is over.
   */
  get #awaitedMs(): number {
    const { server: { runs }, sharingMs = SHARING_MS, leaseMs = 0 } = this.#options;
    const restoringMs = RESTORING_LEASES * leaseMs;
    if (runs.changedMs < restoringMs) return restoringMs;
    const fullMs = performance.now() - this.#fullAtMs;
    return Math.min(runs.enteredMs, fullMs) < sharingMs ? sharingMs : 0;
  }

  #noteFull(error: unknown): void {
    if (error instanceof LogFullError && error.isOfServer) this.#fullAtMs = performance.now();
  }

  async #write(rankingId: string, { bytes, untilMs, yields }: UnsharedRanking): Promise<void> {
    const leftMs = Math.ceil(untilMs - performance.now());
    if (leftMs < 1) return;
    const command = ["SET", this.#key(rankingId), bytes, "PX", leftMs];
    await this.#options.server.commands.send(yields ? [...command, "NX"] : command);
  }

  #keep(rankingId: string, ranking: UnsharedRanking): void {
    this.#unshared.set(rankingId, ranking);
    for (const id of this.#unshared.keys()) {
      if (this.#unshared.size <= UNSHARED_MAX) break;
      this.#unshared.delete(id);
      this.#givenUp++;
    }
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retry !== undefined || this.#unshared.size === 0) return;
    this.#retry = setTimeout(() => void this.#shareAgain(), RETRY_MS);
    Deno.unrefTimer(Number(this.#retry));
  }

  /** Writes the oldest rankings that wait, and goes on at once where all were taken. */
  async #shareAgain(): Promise<void> {
    const batch = [...this.#unshared].slice(0, BATCH_MAX);
    const outcomes = await Promise.allSettled(batch.map(async ([id, ranking]) => {
      await this.#write(id, ranking);
      if (this.#unshared.get(id) === ranking) this.#unshared.delete(id);
    }));
    this.#retry = undefined;
    const all = outcomes.every(({ status }) => status === "fulfilled");
    if (all && this.#unshared.size > 0) return await this.#shareAgain();
    this.#retryLater();
  }

  #key(rankingId: string): string {
    return this.#options.server.key(`ranking:${rankingId}`);
  }
}

/** The hashes of items as they are stored, 4 bytes each. */
function hashesOf(items: readonly { readonly id: string }[]): Uint8Array {
  const hashes = new Uint32Array(items.length);
  for (let i = 0; i < items.length; i++) hashes[i] = fnv1a(items[i].id);
  return new Uint8Array(hashes.buffer);
}
