/**
 * Links between the threads of a simulated process: a message is copied and arrives after a
 * latency, in order. The latency of the n-th batch is a function of (seed, link, n), whatever else
 * happens in the run.
 */
import type { Link } from "../../mesh/ports/transport.ts";
import { invariant } from "../../structures/invariant.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import { messageCopy } from "./message_copy.ts";
import type { NodeClock } from "./node_clock.ts";

/** How messages travel to one side. */
export interface WorldLinkOptions {
  /** The receiver's clock: a stalled receiver takes its messages after the stall. */
  readonly receiver: NodeClock;
  readonly latency: KeyedHash;
  /** Mean latency, ms. */
  readonly latencyMs: number;
  /** Further latency at this moment, ms. */
  readonly extraMs: () => number;
}

class WorldLink implements Link {
  #peer: WorldLink | undefined;
  #receive: ((value: unknown) => void) | undefined;
  #sent = 0;
  #arrivesMs = 0;
  #open = true;

  constructor(readonly options: WorldLinkOptions) {}

  join(peer: WorldLink): void {
    this.#peer = peer;
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    const peer = this.#peer;
    invariant(peer !== undefined, "a link has two sides");
    const copy = messageCopy(value, transfer);
    const { receiver, latency, latencyMs, extraMs } = this.options;
    const nowMs = receiver.monotonicMs();
    const travelsMs = latency.exponential(this.#sent++) * latencyMs + extraMs();
    this.#arrivesMs = Math.max(this.#arrivesMs, nowMs + travelsMs);
    receiver.schedule(this.#arrivesMs - nowMs, () => {
      if (this.#open && peer.#open) peer.#receive?.(copy);
    });
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#receive = listener;
  }

  onClosed(): void {
    // Threads of one process die together, so no side outlives a link.
  }

  close(): void {
    this.#open = false;
  }
}

/** Both ends of a link; `toRight` says how messages travel from left to right. */
export function createWorldLink(
  toRight: WorldLinkOptions,
  toLeft: WorldLinkOptions,
): { readonly left: Link; readonly right: Link } {
  const left = new WorldLink(toRight);
  const right = new WorldLink(toLeft);
  left.join(right);
  right.join(left);
  return { left, right };
}
