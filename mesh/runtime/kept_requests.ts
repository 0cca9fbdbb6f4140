/**
 * Requests that a behaviour has taken and not answered yet, oldest first, found by their message.
 * The same message object may be asked twice (a constant): then each answer goes to its oldest kept
 * ask.
 *
 * A list is enough because most answers go to one of the oldest requests. A Map would keep answered
 * requests alive, see docs/adr/0014-keep-map-and-set-off-the-request-path.md.
 */
import type { Message } from "./actor.ts";
import type { Ask } from "./ask.ts";

export class KeptRequests {
  readonly #asks: Ask[] = [];

  get isEmpty(): boolean {
    return this.#asks.length === 0;
  }

  get size(): number {
    return this.#asks.length;
  }

  get(message: Message): Ask | undefined {
    return this.#asks.find((ask) => ask.message === message);
  }

  add(ask: Ask): void {
    this.#asks.push(ask);
  }

  /** The ask is answered, or its budget ran out. */
  remove(ask: Ask): void {
    const at = this.#asks.indexOf(ask);
    if (at >= 0) this.#asks.splice(at, 1);
  }

  /** Removes and returns all asks. */
  takeAll(): Ask[] {
    return this.#asks.splice(0);
  }
}
