/**
 * Asks that went over a link and have no answer yet, found by the number that the answer will bring back. The low bits
 * of a number are a place in an array; the rest counts asks, so that an answer that comes late, or twice, is not taken
 * for one to the place's next ask.
 *
 * No Map, which would hold on to what was answered (see docs/adr/0014-no-maps-for-what-passes-through.md).
 */
import type { Ask } from "./ask.ts";

/** More asks than memory holds. */
const PLACES = 2 ** 24;
/** After as many asks their count begins again; with the place a number stays below 2^53. */
const COUNTS = 2 ** 29;

export class PendingAsks {
  readonly #places: (Ask | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  /** Gives the ask its number. */
  add(ask: Ask): void {
    const place = this.#free.pop() ?? this.#places.length;
    this.#count = (this.#count + 1) % COUNTS;
    ask.linkId = this.#count * PLACES + place;
    this.#places[place] = ask;
  }

  /** The ask of this number, which is pending no longer; undefined when it is not pending. */
  take(id: number): Ask | undefined {
    const place = id % PLACES;
    const ask = this.#places[place];
    if (ask?.linkId !== id) return undefined;
    this.#places[place] = undefined;
    this.#free.push(place);
    return ask;
  }

  /** All of them, oldest first, which are pending no longer. */
  takeAll(): Ask[] {
    const asks = this.#places.filter((ask) => ask !== undefined);
    for (const ask of asks) this.take(ask.linkId);
    return asks.sort((a, b) => a.linkId - b.linkId);
  }
}
