/**
 * Makes stored items known to a gateway's pool of negatives, so that after a restart it also knows
 * items without an event in the log. Reads them when the first ranking is made of an event, because
 * other servers do not need them.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { ItemPool } from "../../structures/item_pool.ts";

/** Items of one read. */
const PAGE_ITEMS = 256;
/** Time between two reads, ms. */
const PAUSE_MS = 5;
/** Time after a failed read in which no other begins, ms. */
const RETRY_MS = 60_000;

export interface StoredItemsParts {
  readonly profiles: ProfileStore;
  readonly pool: ItemPool;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export class StoredItems {
  readonly #parts: StoredItemsParts;
  #reading: Promise<void> | undefined;
  /** Monotonic time of the newest failure, ms. */
  #failedAtMs: number | undefined;
  #isStopped = false;

  constructor(parts: StoredItemsParts) {
    this.#parts = parts;
  }

  /** Reads the stored items in the background: once, or again a minute after a failure. */
  begin(): void {
    const failedAtMs = this.#failedAtMs;
    const mayRetry = failedAtMs !== undefined &&
      this.#parts.clock.monotonicMs() - failedAtMs >= RETRY_MS;
    if (this.#reading !== undefined && !mayRetry) return;
    this.#failedAtMs = undefined;
    this.#reading = this.#read();
  }

  /** Ends the reading; resolves when the store is no longer in use. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { profiles, pool, clock, telemetry } = this.#parts;
    try {
      let cursor: string | undefined;
      while (!this.#isStopped && pool.hasRoom) {
        const page = await profiles.list("item", cursor, PAGE_ITEMS);
        for (const { id } of page.profiles) if (pool.hasRoom) pool.addKnown(id);
        cursor = page.next;
        if (cursor === undefined) return;
        await new Promise<void>((resolve) => clock.schedule(PAUSE_MS, resolve));
      }
    } catch (cause) {
      if (this.#isStopped) return;
      telemetry.log(
        "warn",
        "cannot read stored items to sample negatives from; items of events are sampled meanwhile, " +
          "and the next event without a ranking that comes a minute later reads again",
        { cause },
      );
      this.#failedAtMs = clock.monotonicMs();
    }
  }
}
