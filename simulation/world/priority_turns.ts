/**
 * The order in which a simulated thread gives its actors turns: by drawn priorities that change at
 * drawn moments, instead of first come, first served. A bug that needs d of its events in one
 * order, among n actors and k turns, is then met with a probability of at least 1 / (n · k^(d-1)).
 *
 * Each {@link PERIOD_TURNS} turns are a run of their own: priorities and moments are drawn anew, so
 * that a long run tries many orders. Turns take no virtual time; a low priority delays an actor
 * within an instant only.
 *
 * @see Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic
 *   Guarantees of Finding Bugs", ASPLOS 2010
 */
import type { Runnable, TurnQueue } from "../../mesh/runtime/turn_scheduler.ts";
import type { KeyedHash } from "../keyed_hash.ts";

/** Turns after which priorities are drawn again. */
const PERIOD_TURNS = 1_024;
/** Draws of one period: priorities from the first on, moments of change from the second. */
const DRAWS_PER_PERIOD = 2_048;
const CHANGE_DRAWS = 1_024;

/** Actors with messages, by priority. */
export class PriorityTurns implements TurnQueue {
  readonly #draws: KeyedHash;
  readonly #changes: number;
  readonly #isOver: () => boolean;
  readonly #ready: Runnable[] = [];
  /** The highest one is next. */
  #priorities = new Map<Runnable, number>();
  #turns = 0;
  #changesAt = new Set<number>();

  /**
   * @param changes Moments in each period at which the actor whose turn it is becomes the last.
   * @param isOver First come, first served from then on.
   */
  constructor(draws: KeyedHash, changes: number, isOver: () => boolean) {
    this.#draws = draws;
    this.#changes = changes;
    this.#isOver = isOver;
  }

  get length(): number {
    return this.#ready.length;
  }

  push(runnable: Runnable): void {
    this.#ready.push(runnable);
  }

  shift(): Runnable | undefined {
    if (this.#ready.length === 0) return undefined;
    const turn = this.#turns++ % PERIOD_TURNS;
    if (turn === 0) this.#begin();
    if (this.#ready.length === 1 || this.#isOver()) return this.#ready.shift();
    let index = this.#highest();
    if (this.#changesAt.has(turn)) {
      this.#priorities.set(this.#ready[index], -turn);
      index = this.#highest();
    }
    return this.#ready.splice(index, 1)[0];
  }

  #begin(): void {
    this.#priorities = new Map();
    const first = this.#firstDraw + CHANGE_DRAWS;
    this.#changesAt = new Set(
      Array.from(
        { length: this.#changes },
        (_, i) => Math.floor(this.#draws.float(first + i) * PERIOD_TURNS),
      ),
    );
  }

  get #firstDraw(): number {
    return Math.floor((this.#turns - 1) / PERIOD_TURNS) * DRAWS_PER_PERIOD;
  }

  #highest(): number {
    let best = 0;
    for (let i = 1; i < this.#ready.length; i++) {
      if (this.#priorityOf(this.#ready[i]) > this.#priorityOf(this.#ready[best])) best = i;
    }
    return best;
  }

  /** In [0, 1) as drawn, below 0 after a change. Drawn when the actor is first compared. */
  #priorityOf(runnable: Runnable): number {
    let priority = this.#priorities.get(runnable);
    if (priority === undefined) {
      priority = this.#draws.float(this.#firstDraw + this.#priorities.size % CHANGE_DRAWS);
      this.#priorities.set(runnable, priority);
    }
    return priority;
  }
}
