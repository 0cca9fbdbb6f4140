/**
 * Actions that the event log has before their ranking.
 *
 * On Redis, a ranking is answered when its append takes long, and the append goes on. Meanwhile a
 * gateway can append an action on the ranking. Such an action is held until its ranking comes, and
 * counted as if it came right behind it.
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
/** Rankings that are remembered because an action on them was let go before they came. */
const LET_GO_MAX = 4_096;

/** The held actions of one moment. They stay the same while later actions come and go. */
export class EarlyMoment {
  readonly #matched: readonly EarlyAction[];
  readonly #waiting: readonly EarlyAction[];
  readonly #from: number;
  readonly #to: number;

  /**
   * @param matched Actions whose ranking is held, by its offset.
   * @param waiting Nothing may change its items `from` to `to`; others may be added behind.
   */
  constructor(
    matched: readonly EarlyAction[],
    waiting: readonly EarlyAction[],
    from: number,
    to: number,
  ) {
    this.#matched = matched;
    this.#waiting = waiting;
    this.#from = from;
    this.#to = to;
  }

  /** The actions whose ranking is held, then the waiting ones; each oldest first. */
  actions(): EarlyAction[] {
    return [...this.#matched, ...this.#waiting.slice(this.#from, this.#to)];
  }
}

export class EarlyActions {
  /** By the offset of their ranking. */
  #matched: readonly EarlyAction[];
  /**
   * Actions in the order of the log, of which those before `#from` wait no more. Only appended to,
   * so that a moment need not copy it.
   */
  #waiting: EarlyAction[];
  #from = 0;
  /**
   * Actions that were let go, by their ranking, oldest first. Most rankings never come: the window
   * has dropped them. Only counts depend on it, so a restart may lose it.
   */
  readonly #letGo = new Map<string, number>();
  /** The moment since the last change; undefined until it is asked for. */
  #moment: EarlyMoment | undefined;

  /** @param held The held actions of the position at which the joiner starts. */
  constructor(held: readonly EarlyAction[] = []) {
    this.#matched = held.filter(({ rankingOffset }) => rankingOffset !== undefined);
    this.#waiting = held.filter(({ rankingOffset }) => rankingOffset === undefined);
  }

  /** The held actions; undefined if there are none. */
  get moment(): EarlyMoment | undefined {
    if (this.#held === 0) return undefined;
    const [from, to] = [this.#from, this.#waiting.length];
    return this.#moment ??= new EarlyMoment(this.#matched, this.#waiting, from, to);
  }

  get #held(): number {
    return this.#matched.length + this.#waiting.length - this.#from;
  }

  /** Holds an action whose ranking is not held. */
  hold({ eventId, rankingId, item, action, value, acceptedAtMs }: ActionRecord): void {
    const given = value === undefined ? {} : { value };
    this.#waiting.push({ eventId, rankingId, item, action, ...given, acceptedAtMs });
    this.#moment = undefined;
    const waiting = this.#waiting.length - this.#from;
    if (this.#held > ACTIONS_MAX || waiting > WAITING_MAX) this.#releaseOldest(1);
  }

  /**
   * Lets go of the actions that have waited too long, and of those whose ranking is no longer held.
   *
   * @param acceptedAtMs Acceptance time of the newest action or mark, ms.
   * @param oldestOffset Offset of the oldest ranking that the window holds; Infinity if none.
   */
  release(acceptedAtMs: number, oldestOffset: number): void {
    let over = 0;
    for (let i = this.#from; i < this.#waiting.length; i++, over++) {
      if (this.#waiting[i].acceptedAtMs + WAIT_MS >= acceptedAtMs) break;
    }
    if (over > 0) this.#releaseOldest(over);
    const [first] = this.#matched;
    if (first?.rankingOffset === undefined || first.rankingOffset >= oldestOffset) return;
    this.#matched = this.#matched.filter(({ rankingOffset = 0 }) => rankingOffset >= oldestOffset);
    this.#moment = undefined;
  }

  #releaseOldest(count: number): void {
    for (const { rankingId } of this.#waiting.slice(this.#from, this.#from + count)) {
      const before = this.#letGo.get(rankingId) ?? 0;
      this.#letGo.delete(rankingId);
      this.#letGo.set(rankingId, before + 1);
      if (this.#letGo.size > LET_GO_MAX) this.#letGo.delete(this.#letGo.keys().next().value ?? "");
    }
    this.#from += count;
    this.#moment = undefined;
    if (this.#from <= WAITING_MAX) return;
    this.#waiting = this.#waiting.slice(this.#from);
    this.#from = 0;
  }

  /**
   * The waiting actions on a ranking, which has come at `offset`. Acceptance times do not matter:
   * those of the ranking and of its actions may be of two hosts whose clocks differ.
   */
  match({ rankingId }: ImpressionRecord, offset: number): readonly EarlyAction[] {
    const isOf = (each: EarlyAction) => each.rankingId === rankingId;
    const waiting = this.#waiting.slice(this.#from);
    if (!waiting.some(isOf)) return [];
    const matched = waiting.filter(isOf).map((each) => ({ ...each, rankingOffset: offset }));
    this.#matched = [...this.#matched, ...matched];
    this.#waiting = waiting.filter((each) => !isOf(each));
    this.#from = 0;
    this.#moment = undefined;
    return matched;
  }

  /** Number of the actions on a ranking, which has come, that were let go before. */
  missed({ rankingId }: ImpressionRecord): number {
    const count = this.#letGo.get(rankingId) ?? 0;
    this.#letGo.delete(rankingId);
    return count;
  }

  /** The actions that were matched with the ranking at `offset`. */
  matchedAt(offset: number): readonly EarlyAction[] {
    return this.#matched.filter(({ rankingOffset }) => rankingOffset === offset);
  }
}
