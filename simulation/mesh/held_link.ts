/**
 * A link whose receiver is another thread than the one that owns the socket: values wait while that
 * thread stands still.
 */
import type { Link } from "../../mesh/ports/transport.ts";
import type { NodeClock } from "../world/node_clock.ts";

export class HeldLink implements Link {
  readonly #link: Link;
  readonly #receiver: NodeClock;

  constructor(link: Link, receiver: NodeClock) {
    this.#link = link;
    this.#receiver = receiver;
  }

  get isCongested(): boolean {
    return this.#link.isCongested ?? false;
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    this.#link.send(value, transfer);
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#link.onReceive((value) => void this.#receiver.schedule(0, () => listener(value)));
  }

  onClosed(listener: (cause: Error) => void): void {
    this.#link.onClosed((cause) => void this.#receiver.schedule(0, () => listener(cause)));
  }

  close(reason?: string): void {
    this.#link.close(reason);
  }
}
