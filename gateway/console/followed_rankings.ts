/**
 * Chooses the rankings whose spans are recorded for the console: the first in each second.
 */
import type { Clock } from "../../mesh/ports/clock.ts";

/** The routes that rank. */
export const rankingRoutes = ["/v1/rank", "/v1/recommend", "/v1/similar"] as const;

export class FollowedRankings {
  readonly #clock: Clock;
  #second = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the request that begins now is followed. */
  begins(route: string): boolean {
    if (!(rankingRoutes as readonly string[]).includes(route)) return false;
    const second = Math.floor(this.#clock.nowMs() / 1000);
    if (second === this.#second) return false;
    this.#second = second;
    return true;
  }
}
