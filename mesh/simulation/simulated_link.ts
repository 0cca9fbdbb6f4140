/**
 * A link between two simulated nodes. It copies messages and delivers them after a latency of
 * virtual time, in order.
 */
import { present } from "../../structures/invariant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Link } from "../ports/transport.ts";

class SimulatedLink implements Link {
  #peer: SimulatedLink | undefined;
  #receive: ((value: unknown) => void) | undefined;
  #closed: ((cause: Error) => void) | undefined;
  #open = true;

  constructor(readonly clock: Clock, readonly latencyMs: number) {}

  get peer(): SimulatedLink {
    return present(this.#peer, "a link has two ends");
  }

  join(peer: SimulatedLink): void {
    this.#peer = peer;
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    const sent = structuredClone(value, transfer ? { transfer: [...transfer] } : undefined);
    const { peer } = this;
    this.clock.schedule(this.latencyMs, () => {
      if (peer.#open) peer.#receive?.(sent);
    });
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#receive = listener;
  }

  onClosed(listener: (cause: Error) => void): void {
    this.#closed = listener;
  }

  close(): void {
    this.breakLink(new Error("the link was closed"));
  }

  breakLink(cause: Error): void {
    for (const side of [this, this.peer]) {
      if (!side.#open) continue;
      side.#open = false;
      side.#closed?.(cause);
    }
  }
}

export interface SimulatedLinkPair {
  readonly left: Link;
  readonly right: Link;
  /** Closes both ends and loses the messages under way, as when a process dies. */
  break(cause: Error): void;
}

export function createSimulatedLinkPair(clock: Clock, latencyMs: number): SimulatedLinkPair {
  const left = new SimulatedLink(clock, latencyMs);
  const right = new SimulatedLink(clock, latencyMs);
  left.join(right);
  right.join(left);
  return { left, right, break: (cause) => left.breakLink(cause) };
}
