/**
 * Asks that went over a link, or came, and have no answer yet, found by their number, which goes
 * with the ask and comes back with the answer. The low bits of a number are an index into an array.
 * The high bits count asks, so that a late or repeated answer to an earlier ask is not taken for
 * one to the ask that has the index now.
 *
 * A Map would keep answered asks alive, see docs/adr/0014-keep-map-and-set-off-the-request-path.md.
 */
import { invariant } from "../../structures/invariant.ts";
import type { Ask } from "./ask.ts";

/** More asks than memory holds. */
const INDEX_COUNT = 2 ** 24;
/** Asks after which counting begins again, so that a number stays below 2^53. */
const ASK_COUNT_MAX = 2 ** 29;

/** Asks that have their numbers. */
export class NumberedAsks {
  readonly #asks: (Ask | undefined)[] = [];

  /** The indices that were used are less than this. */
  get indices(): number {
    return this.#asks.length;
  }

  add(ask: Ask): void {
    this.#asks[indexOf(ask.linkId)] = ask;
  }

  /** Removes and returns the ask of this number; undefined when there is none. */
  take(id: number): Ask | undefined {
    const index = indexOf(id);
    const ask = this.#asks[index];
    if (ask?.linkId !== id) return undefined;
    this.#asks[index] = undefined;
    return ask;
  }

  /** Removes and returns all asks, oldest first. */
  takeAll(): Ask[] {
    const asks = this.#asks.filter((ask) => ask !== undefined);
    for (const ask of asks) this.take(ask.linkId);
    return asks.sort((a, b) => a.linkId - b.linkId);
  }
}

/** Asks that went over the link, which get their numbers here. */
export class PendingAsks {
  readonly #asks = new NumberedAsks();
  readonly #freeIndices: number[] = [];
  #count = 0;

  /** Gives the ask its number. */
  add(ask: Ask): void {
    const index = this.#freeIndices.pop() ?? this.#asks.indices;
    invariant(index < INDEX_COUNT, "fewer asks are pending than there are indices");
    this.#count = (this.#count + 1) % ASK_COUNT_MAX;
    ask.linkId = this.#count * INDEX_COUNT + index;
    this.#asks.add(ask);
  }

  /** Removes and returns the ask of this number; undefined when it is not pending. */
  take(id: number): Ask | undefined {
    const ask = this.#asks.take(id);
    if (ask !== undefined) this.#freeIndices.push(indexOf(id));
    return ask;
  }

  /** Removes and returns all asks, oldest first. */
  takeAll(): Ask[] {
    const asks = this.#asks.takeAll();
    for (const { linkId } of asks) this.#freeIndices.push(indexOf(linkId));
    return asks;
  }
}

/** The low bits of a number; an integer below 2^24 whatever another process sends. */
function indexOf(id: number): number {
  return id & (INDEX_COUNT - 1);
}
