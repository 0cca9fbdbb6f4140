/**
 * Follows the owners of the shards in the coordination store: counts live moves, and measures for
 * how long a moving shard took no gradients, from outside and so a little too long.
 */
import { setTimeout as pause } from "node:timers/promises";
import type {
  Coordination,
  HostRecord,
  MeshView,
  Placement,
} from "../../mesh/ports/coordination.ts";
import { RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import { present } from "../../structures/invariant.ts";
import { CommandError } from "../errors.ts";

/** Pause between two looks, ms: the error of a measured freeze. */
const POLL_MS = 5;
/** Time for a change that is waited for, ms. */
const CHANGE_MS_MAX = 120_000;

export class PlacementWatch {
  readonly #store: Coordination;
  readonly #following: Promise<void>;
  #view: MeshView | undefined;
  /** Monotonic ms since which a shard is frozen. */
  readonly #frozenAtMs = new Map<string, number>();
  #moves = 0;
  #freezeMsMax = 0;
  #closed = false;

  constructor(store: Coordination) {
    this.#store = store;
    this.#following = this.#follow();
  }

  /** Shards that another host has taken over while their owner ran. */
  get moves(): number {
    return this.#moves;
  }

  get freezeMsMax(): number {
    return this.#freezeMsMax;
  }

  /** Whether a host holds its lease and may have parts. */
  isUp(host: string): boolean {
    const record = this.#view?.hosts.get(host);
    return record?.state === "up" && record.expiresMs > present(this.#view, "it was read").nowMs;
  }

  /** Number of active shards by host; undefined while one is not active. */
  get shardsByHost(): ReadonlyMap<string, number> | undefined {
    if (this.#view === undefined) return undefined;
    const counts = new Map<string, number>();
    for (const placement of this.#view.placements.values()) {
      if (placement.state !== "active") return undefined;
      const { host } = placement.owner;
      counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    return counts;
  }

  /** @throws {CommandError} The condition does not come to hold. */
  async until(
    what: string,
    condition: (shardsByHost: ReadonlyMap<string, number>) => boolean,
  ): Promise<void> {
    const endsMs = performance.now() + CHANGE_MS_MAX;
    for (;;) {
      const counts = this.shardsByHost;
      if (counts !== undefined && condition(counts)) return;
      if (performance.now() > endsMs) {
        const found = counts === undefined ? "some are not active" : describe(counts);
        throw new CommandError(`${what} within ${CHANGE_MS_MAX / 1_000} seconds: ${found}.`);
      }
      await pause(POLL_MS);
    }
  }

  /**
   * Begins or ends a drain, again while the server is slow or away.
   *
   * @throws {RecordStoreUnavailableError} The server was away for the time of a change.
   */
  async setHostState(host: string, state: HostRecord["state"]): Promise<void> {
    const endsMs = performance.now() + CHANGE_MS_MAX;
    for (;;) {
      try {
        return await this.#store.setHostState(host, state);
      } catch (error) {
        const isAway = error instanceof RecordStoreUnavailableError;
        if (!isAway || performance.now() > endsMs) throw error;
      }
      await pause(POLL_MS);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#following;
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      // The server may be away for a moment.
      const view = await this.#store.read().catch(() => undefined);
      if (view !== undefined) this.#compare(view);
      await pause(POLL_MS);
    }
  }

  #compare(view: MeshView): void {
    const nowMs = performance.now();
    for (const [key, placement] of view.placements) {
      const before = this.#view?.placements.get(key);
      const wasFrozen = this.#frozenAtMs.get(key);
      if (isFrozen(placement)) {
        if (wasFrozen === undefined) this.#frozenAtMs.set(key, nowMs);
        continue;
      }
      this.#frozenAtMs.delete(key);
      if (before?.state !== "moving" || placement.state !== "active") continue;
      if (placement.owner.host !== before.target.host) continue;
      this.#moves++;
      if (wasFrozen !== undefined) {
        this.#freezeMsMax = Math.max(this.#freezeMsMax, nowMs - wasFrozen);
      }
    }
    this.#view = view;
  }
}

function isFrozen(placement: Placement): boolean {
  return placement.state === "moving" && placement.phase === "frozen";
}

function describe(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([host, shards]) => `${host} has ${shards}`).join(", ");
}
