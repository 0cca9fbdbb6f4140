/**
 * Requests that a behaviour has taken and not answered yet, oldest first, found by their message. One message object may
 * be asked twice (a constant): then each answer goes to one of its asks, the oldest first, but for the one whose handler
 * runs, which is not kept yet.
 *
 * A list, since most answers are to one of the first; and no Map, which would hold on to what was answered (see
 * docs/adr/0014-no-maps-for-what-passes-through.md).
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

  /** It is answered, or nobody waits for its answer any more. */
  remove(ask: Ask): void {
    const at = this.#asks.indexOf(ask);
    if (at >= 0) this.#asks.splice(at, 1);
  }

  /** All of them, which are kept no longer. */
  takeAll(): Ask[] {
    return this.#asks.splice(0);
  }
}
