/**
 * A link between two simulated nodes: copies what is sent and delivers it after a latency of virtual time, in order.
 */
import type { Clock } from "../ports/clock.ts";
import type { Link } from "../ports/transport.ts";

class SimulatedLink implements Link {
  peer!: SimulatedLink;
  #receive: ((value: unknown) => void) | undefined;
  #closed: ((cause: Error) => void) | undefined;
  #open = true;

  constructor(readonly clock: Clock, readonly latencyMs: number) {}

  send(value: unknown, transfer?: readonly Transferable[]): void {
    const sent = structuredClone(value, transfer ? { transfer: [...transfer] } : undefined);
    this.clock.schedule(this.latencyMs, () => {
      if (this.peer.#open) this.peer.#receive?.(sent);
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
  /** As when a process dies: what is under way is lost, both sides hear of it. */
  break(cause: Error): void;
}

export function createSimulatedLinkPair(clock: Clock, latencyMs: number): SimulatedLinkPair {
  const left = new SimulatedLink(clock, latencyMs);
  const right = new SimulatedLink(clock, latencyMs);
  left.peer = right;
  right.peer = left;
  return { left, right, break: (cause) => left.breakLink(cause) };
}
