/**
 * Rankings that the window dropped recently: an action on such a ranking is late, not unmatched.
 */
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";

/** Remembers the newest `rankings` to 2 · `rankings` dropped rankings, in two generations. */
export class DroppedRankings {
  readonly #rankings: number;
  #newer = new FingerprintMap();
  #older = new FingerprintMap();

  constructor(rankings: number) {
    this.#rankings = rankings;
  }

  has(ranking: Fingerprint): boolean {
    return this.#newer.has(ranking) || this.#older.has(ranking);
  }

  add(ranking: Fingerprint): void {
    if (this.#newer.size >= this.#rankings) {
      this.#older = this.#newer;
      this.#newer = new FingerprintMap();
    }
    this.#newer.set(ranking, 0);
  }
}
