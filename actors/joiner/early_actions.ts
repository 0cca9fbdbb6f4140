/**
 * Actions that the event log has before their ranking.
 *
 * On Redis, a ranking is answered when its append takes long, and the append goes on; a server that
 * restarts may get it a second time. Meanwhile another gateway can append an action on the ranking.
 * Such an action is held until its ranking comes, and counted as if it came right behind it.
 *
 * The held actions are part of the joiner's position, so a restart need not read their records
 * again. A matched one stays held as long as its ranking is held, because a restart would read the
 * ranking again and not the action before it.
 */
import type { ActionRecord, ImpressionRecord } from "../../records/event_record.ts";
import type { EarlyAction } from "../../records/joiner_position.ts";

/**
 * Time for which an action waits for its ranking, between acceptances, ms: twice the time within
 * which a gateway sends an append to Redis again.
 */
const WAIT_MS = 10_000;
/**
 * Actions that wait at most; one more ends the wait of the oldest. Each chunk of examples has them.
 */
const WAITING_MAX = 64;
/** Actions held at most, matched ones included. */
const ACTIONS_MAX = 256;

export class EarlyActions {
  #all: readonly EarlyAction[];

  /** @param all The held actions of the position at which the joiner starts. */
  constructor(all: readonly EarlyAction[] = []) {
    this.#all = all;
  }

  /** The held actions, oldest first. A list that was returned does not change any more. */
  get all(): readonly EarlyAction[] {
    return this.#all;
  }

  /** Holds an action whose ranking is not held. */
  hold({ eventId, rankingId, item, action, value, acceptedAtMs }: ActionRecord): void {
    const given = value === undefined ? {} : { value };
    const all: EarlyAction[] = [...this.#all, {
      eventId,
      rankingId,
      item,
      action,
      ...given,
      acceptedAtMs,
    }];
    const isWaiting = ({ rankingOffset }: EarlyAction) => rankingOffset === undefined;
    if (all.length > ACTIONS_MAX || all.filter(isWaiting).length > WAITING_MAX) {
      all.splice(all.findIndex(isWaiting), 1);
    }
    this.#all = all;
  }

  /**
   * Lets go of the actions that have waited too long, and of those whose ranking is no longer held.
   *
   * @param acceptedAtMs Acceptance time of the newest action or mark, ms.
   * @param oldestOffset Offset of the oldest ranking that the window holds; Infinity if none.
   */
  release(acceptedAtMs: number, oldestOffset: number): void {
    if (this.#all.length === 0) return;
    const all = this.#all.filter((each) =>
      each.rankingOffset === undefined
        ? each.acceptedAtMs + WAIT_MS >= acceptedAtMs
        : each.rankingOffset >= oldestOffset
    );
    if (all.length < this.#all.length) this.#all = all;
  }

  /**
   * The waiting actions on a ranking, which has come at `offset`. A ranking that was made after an
   * action under an id that is used again is another one.
   */
  match({ rankingId, acceptedAtMs }: ImpressionRecord, offset: number): readonly EarlyAction[] {
    const isOf = (each: EarlyAction) =>
      each.rankingOffset === undefined && each.rankingId === rankingId &&
      each.acceptedAtMs >= acceptedAtMs;
    if (!this.#all.some(isOf)) return [];
    this.#all = this.#all.map((each) => isOf(each) ? { ...each, rankingOffset: offset } : each);
    return this.matchedAt(offset);
  }

  /** The actions that were matched with the ranking at `offset`. */
  matchedAt(offset: number): readonly EarlyAction[] {
    return this.#all.filter(({ rankingOffset }) => rankingOffset === offset);
  }
}
