/**
 * A link that can hold messages back, as when the receiving thread stands still: they arrive
 * together when it goes on.
 */
import type { Clock } from "../../../mesh/ports/clock.ts";
import type { Link } from "../../../mesh/ports/transport.ts";
import type { Node } from "../../../mesh/runtime/node.ts";
import { NodeLink } from "../../../mesh/runtime/node_link.ts";

class HeldLink implements Link {
  peer: HeldLink | undefined;
  receive: (value: unknown) => void = () => {};
  closed: (cause: Error) => void = () => {};
  readonly #clock: Clock;
  #held: unknown[] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  send(value: unknown): void {
    const copy = structuredClone(value);
    this.#clock.schedule(1, () => {
      if (this.#held) this.#held.push(copy);
      else this.peer?.receive(copy);
    });
  }

  onReceive(listener: (value: unknown) => void): void {
    this.receive = listener;
  }

  onClosed(listener: (cause: Error) => void): void {
    this.closed = listener;
  }

  close(): void {}

  hold(): void {
    this.#held ??= [];
  }

  /** Delivers each message in an event of its own, as a thread takes them from its port. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const value of held) this.#clock.schedule(0, () => this.peer?.receive(value));
  }
}

export interface HeldLinks {
  /** From the left node to the right one. */
  readonly toRight: HeldLink;
  readonly toLeft: HeldLink;
}

export function linkWithHold(clock: Clock, left: Node, right: Node): HeldLinks {
  const toRight = new HeldLink(clock);
  const toLeft = new HeldLink(clock);
  toRight.peer = toLeft;
  toLeft.peer = toRight;
  new NodeLink(left, right.name, toRight);
  new NodeLink(right, left.name, toLeft);
  return { toRight, toLeft };
}
