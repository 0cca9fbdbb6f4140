/**
 * Rankings that were closed recently: an action on one of them is late rather than unmatched.
 */
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";

/** Remembers the last `rankings` to twice `rankings` closed rankings, in two generations. */
export class ClosedRankings {
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
