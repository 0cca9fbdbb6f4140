/**
 * Requests that a behaviour has taken and not answered yet, found by their message. One message object may be asked
 * twice (a constant): then each answer goes to one of its asks, the newest first.
 */
import type { Message } from "./actor.ts";
import type { Ask } from "./ask.ts";

export class KeptRequests {
  readonly #newest = new Map<Message, Ask>();

  get isEmpty(): boolean {
    return this.#newest.size === 0;
  }

  /** Distinct messages. */
  get size(): number {
    return this.#newest.size;
  }

  get(message: Message): Ask | undefined {
    return this.#newest.get(message);
  }

  add(ask: Ask): void {
    ask.nextOfSameMessage = this.#newest.get(ask.message);
    this.#newest.set(ask.message, ask);
  }

  /** It is answered, or nobody waits for its answer any more. */
  remove(ask: Ask): void {
    const newest = this.#newest.get(ask.message);
    if (newest === ask) {
      if (ask.nextOfSameMessage) this.#newest.set(ask.message, ask.nextOfSameMessage);
      else this.#newest.delete(ask.message);
      return;
    }
    for (let other = newest; other; other = other.nextOfSameMessage) {
      if (other.nextOfSameMessage === ask) other.nextOfSameMessage = ask.nextOfSameMessage;
    }
  }

  /** All of them, which are kept no longer. */
  takeAll(): Ask[] {
    const asks: Ask[] = [];
    for (const newest of this.#newest.values()) {
      for (let ask: Ask | undefined = newest; ask; ask = ask.nextOfSameMessage) asks.push(ask);
    }
    this.#newest.clear();
    return asks;
  }
}
