/**
 * Requests that a behaviour has taken and not answered: the one that its handler works on, and
 * those that wait for their answer, oldest first, found by their message. The same message object
 * may be asked twice (a constant): then an answer goes to the handled ask, and else to the oldest
 * one that waits.
 *
 * A list is enough because most answers go to one of the oldest requests. A Map would keep answered
 * requests alive, see docs/adr/0014-keep-map-and-set-off-the-request-path.md.
 */
import type { Message } from "./actor.ts";
import type { Ask } from "./ask.ts";

export class TakenRequests {
  readonly #waiting: Ask[] = [];
  #message: Message | undefined;
  #handled: Ask | undefined;

  /** The message whose handler runs, or runs on. */
  get message(): Message | undefined {
    return this.#message;
  }

  /** Its ask; undefined for a told message. */
  get handled(): Ask | undefined {
    return this.#handled;
  }

  /** Requests that wait for their answer; their handlers have ended. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A handler begins. */
  begin(message: Message, ask: Ask | undefined): void {
    this.#message = message;
    this.#handled = ask;
  }

  /** The handler has ended: a request without an answer waits for it. */
  finish(): void {
    const ask = this.#handled;
    if (ask && !ask.settled) this.#waiting.push(ask);
    this.#message = this.#handled = undefined;
  }

  /** The ask of a request; undefined once it is settled. */
  find(request: Message): Ask | undefined {
    if (this.#message === request) return this.#handled;
    return this.#waiting.find((ask) => ask.message === request);
  }

  /** The ask is settled: it waits no longer. */
  remove(ask: Ask): void {
    if (ask === this.#handled) return;
    const index = this.#waiting.indexOf(ask);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** Removes and returns all asks that are not settled. */
  takeAll(): Ask[] {
    const asks = this.#waiting.splice(0);
    if (this.#handled) asks.push(this.#handled);
    this.#message = this.#handled = undefined;
    return asks.filter((ask) => !ask.settled);
  }
}
