/**
 * Asks that went over a link and have no answer yet, found by the number that comes back with the
 * answer. The low bits of a number are an index into an array. The high bits count asks, so that a
 * late or repeated answer to an earlier ask is not taken for one to the ask that has the index now.
 *
 * A Map would keep answered asks alive, see docs/adr/0014-keep-map-and-set-off-the-request-path.md.
 */
import { invariant } from "../../structures/invariant.ts";
import type { Ask } from "./ask.ts";

/** More asks than memory holds. */
const INDEX_COUNT = 2 ** 24;
/** Asks after which counting begins again, so that a number stays below 2^53. */
const ASK_COUNT_MAX = 2 ** 29;

export class PendingAsks {
  readonly #asks: (Ask | undefined)[] = [];
  readonly #freeIndices: number[] = [];
  #count = 0;

  /** Gives the ask its number. */
  add(ask: Ask): void {
    const index = this.#freeIndices.pop() ?? this.#asks.length;
    invariant(index < INDEX_COUNT, "fewer asks are pending than there are indices");
    this.#count = (this.#count + 1) % ASK_COUNT_MAX;
    ask.linkId = this.#count * INDEX_COUNT + index;
    this.#asks[index] = ask;
  }

  /** Removes and returns the ask of this number; undefined when it is not pending. */
  take(id: number): Ask | undefined {
    const index = id % INDEX_COUNT;
    const ask = this.#asks[index];
    if (ask?.linkId !== id) return undefined;
    this.#asks[index] = undefined;
    this.#freeIndices.push(index);
    return ask;
  }

  /** Removes and returns all asks, oldest first. */
  takeAll(): Ask[] {
    const asks = this.#asks.filter((ask) => ask !== undefined);
    for (const ask of asks) this.take(ask.linkId);
    return asks.sort((a, b) => a.linkId - b.linkId);
  }
}
