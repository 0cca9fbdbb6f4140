/**
 * The parts that this host cannot place although the coordination store gives them to it: a start
 * or another step of theirs fails and is tried again.
 */
import { livingOwner, rolesOf } from "../mesh/placement/mesh_views.ts";
import {
  type HostRecord,
  type MeshView,
  parsePlacedKey,
  type PlacedKey,
} from "../mesh/ports/coordination.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import { placedAddress } from "./addresses.ts";

/** A step that fails for less than this may only wait for another host, ms. */
const FAILING_MS = 5_000;
/** After this time without another failure the part is no longer to be here, ms. */
const FORGOTTEN_MS = 60_000;

/** A part that cannot be placed on its host, or has none. */
export interface UnplacedPart {
  /** Its address. */
  readonly part: string;
  /** Undefined where it has none. */
  readonly host?: string;
  readonly reason: string;
}

/**
 * The parts that a host cannot place, as its record tells.
 *
 * @param due Addresses of the parts that the host is to have: its record tells of a part that has
 * gone to another host for a while more.
 */
export function unplacedParts(
  { host, unplaced }: Pick<HostRecord, "host" | "unplaced">,
  due: ReadonlySet<string>,
): readonly UnplacedPart[] {
  return Object.entries(unplaced).filter(([part]) => due.has(part))
    .map(([part, reason]) => ({ part, host, reason }));
}

interface Failing {
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly reason: string;
}

export class UnplacedParts {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #failing = new Map<Address, Failing>();

  constructor({ clock, telemetry }: { readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#clock = clock;
    this.#telemetry = telemetry;
  }

  /** Notes that a step of a part has failed; logs it once for as long as the reason is the same. */
  failed(part: Address, error: unknown): void {
    this.#forget();
    const nowMs = this.#clock.monotonicMs();
    const reason = reasonOf(error);
    const before = this.#failing.get(part);
    this.#failing.set(part, { sinceMs: before?.sinceMs ?? nowMs, lastMs: nowMs, reason });
    if (before?.reason === reason) return;
    this.#telemetry.log("warn", `placing ${part} failed and is tried again`, { reason });
  }

  /** Notes that a step of a part was made. */
  succeeded(part: Address): void {
    this.#failing.delete(part);
  }

  /** The reasons of the parts that have failed for a while, by part. */
  get current(): Readonly<Record<Address, string>> {
    this.#forget();
    const untilMs = this.#clock.monotonicMs() - FAILING_MS;
    const parts = [...this.#failing].filter(([, { sinceMs }]) => sinceMs <= untilMs);
    return Object.fromEntries(parts.map(([part, { reason }]) => [part, reason]));
  }

  #forget(): void {
    const fromMs = this.#clock.monotonicMs() - FORGOTTEN_MS;
    for (const [part, { lastMs }] of this.#failing) {
      if (lastMs < fromMs) this.#failing.delete(part);
    }
  }
}

/**
 * The parts that no host has had for a while, since the loss of their owner or the begin of the
 * mesh: none is up that may take them.
 */
export class PartsWithoutHost {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  /** When each part was first seen without a host, monotonic ms. */
  #since = new Map<PlacedKey, number>();
  #sharding = 0;

  /** @param patienceMs Time that a part may take to find a host, ms. */
  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  look(view: Pick<MeshView, "placements" | "identity" | "hosts">): void {
    const nowMs = this.#clock.monotonicMs();
    const without = [...view.placements].filter(([, placement]) =>
      livingOwner(view, placement) === undefined
    );
    this.#since = new Map(without.map(([key]) => [key, this.#since.get(key) ?? nowMs]));
    this.#sharding = view.identity.sharding;
  }

  get current(): readonly UnplacedPart[] {
    const untilMs = this.#clock.monotonicMs() - this.#patienceMs;
    return [...this.#since].filter(([, sinceMs]) => sinceMs <= untilMs).map(([key]) => ({
      part: placedAddress(key, this.#sharding),
      reason: `no host with the role ${
        rolesOf[parsePlacedKey(key).kind]
      } is up, does not drain, and has room for it`,
    }));
  }
}
