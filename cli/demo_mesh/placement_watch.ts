/**
 * Follows the owners of the shards in the coordination store: counts live moves, and for how long
 * the store knew that the owner of each was frozen. The whole freeze begins some ms before, as the
 * owner has to report it, and ends when the new owner has made its actor.
 */
import { setTimeout as pause } from "node:timers/promises";
import type {
  Coordination,
  HostRecord,
  MeshView,
  PlacedKey,
} from "../../mesh/ports/coordination.ts";
import { RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import { present } from "../../structures/invariant.ts";
import { CommandError } from "../errors.ts";

/** Longest time between two looks at the store, ms; a change of it comes at once. */
const LOOK_MS = 200;
/** Pause between two attempts and two looks at what was read, ms. */
const POLL_MS = 5;
/** Time for a change that is waited for, ms. */
const CHANGE_MS_MAX = 120_000;

export class PlacementWatch {
  readonly #store: Coordination;
  readonly #following: Promise<void>;
  #view: MeshView | undefined;
  /** Freezes of the shards that have moved, ms. */
  readonly #freezesMs: number[] = [];
  readonly #end = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(store: Coordination) {
    this.#store = store;
    this.#following = this.#follow();
  }

  /** Shards that another host has taken over while their owner ran. */
  get moves(): number {
    return this.#freezesMs.length;
  }

  get freezeMsMax(): number {
    return Math.max(0, ...this.#freezesMs);
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
    this.#isClosed = true;
    this.#end.resolve();
    await this.#following;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const view = await this.#store.read();
        await this.#noteMoves(view);
        this.#view = view;
        await Promise.race([this.#store.watch(view.revision, LOOK_MS), this.#end.promise]);
      } catch {
        await pause(POLL_MS); // the server may be away for a moment
      }
    }
  }

  /** A live move is one whose owner was frozen; a shard that is restored has another history. */
  async #noteMoves({ placements }: MeshView): Promise<void> {
    const epochOf = (key: PlacedKey) => this.#view?.placements.get(key)?.epoch ?? Infinity;
    const moved = [...placements].filter(([key, { epoch }]) => epoch > epochOf(key));
    const histories = await Promise.all(moved.map(([key]) => this.#store.history(key)));
    for (const { last: { outcome, frozenAtMs, endedMs } = {} } of histories) {
      if (outcome !== "done" || frozenAtMs === undefined || endedMs === undefined) continue;
      this.#freezesMs.push(endedMs - frozenAtMs);
    }
  }
}

function describe(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([host, shards]) => `${host} has ${shards}`).join(", ");
}
