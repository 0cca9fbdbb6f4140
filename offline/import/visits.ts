/**
 * Turns a history into the records of live traffic: rankings, and the actions on them, in
 * order of time.
 *
 * Events of a ranking that the history holds are actions on it. All others were caused by something
 * that no file tells: events of one user at one time, or of one visit, become one ranking whose
 * rows are the items of the events. If nearly all events are positive, the ranking gets sampled
 * negatives, items of other visits at that time, and tells which share of a visit's items they are.
 */
import type { LabelRules } from "../../actors/joiner/label_rules.ts";
import { uniformAt } from "../../kernels/dense/counter_random.ts";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import { logSampleRateOf } from "../../records/sampled_items.ts";
import { fnv1a } from "../../structures/fnv1a.ts";
import { ItemPool } from "../../structures/item_pool.ts";
import type { History, PastEvent } from "./history.ts";

/** An action as the event log gets it. */
export interface PastAction {
  readonly eventId: string;
  readonly rankingId: string;
  readonly item: string;
  readonly action: string;
  /** NaN = none. */
  readonly value: number;
  readonly atMs: number;
}

/** A ranking with the actions of the same moment, or actions on an earlier ranking. */
export interface Visit {
  readonly user: string;
  readonly atMs: number;
  readonly ranking?: {
    readonly id: string;
    readonly items: readonly string[];
    readonly context: FeatureAttributes;
    /** ln(share) of the items without an action that `items` holds; absent where all are there. */
    readonly logSampleRate?: number;
  };
  readonly actions: readonly PastAction[];
  /** Newer stored attributes, from the rows of the events. */
  readonly userFields?: FeatureAttributes;
  readonly itemFields: ReadonlyMap<string, FeatureAttributes>;
}

export interface VisitOptions {
  /** Begins the ids of rankings and events that have none. */
  readonly idPrefix: string;
  /** How long an event counts for a ranking that showed its item, ms. */
  readonly windowMs: number;
  readonly rules: LabelRules;
  /** Sampled negatives per item of an event; 0 = none. */
  readonly negatives: number;
  /**
   * Share of the negatives that are drawn from all known items alike, from 0 to 1: those with an
   * event so far, and those of the items' files that never have one.
   */
  readonly uniformShare: number;
  /** Items that a user is assumed to have seen in a visit that only events tell of. */
  readonly itemsSeen: number;
}

/** Outcomes of the events and rankings of a history. */
export interface VisitCounts {
  rankings: number;
  /** Rankings that were made from events. */
  rankingsMade: number;
  actions: number;
  negatives: number;
  /** Events that found their ranking by user and item. */
  attributed: number;
  /** Events with a ranking id that no file holds, or an item that the ranking did not show. */
  orphans: number;
  /** Events that no label rule reads. */
  ignored: number;
  /** Events that only take something back, without an event or ranking before them. */
  unmatched: number;
}

export function noCounts(): VisitCounts {
  return {
    rankings: 0,
    rankingsMade: 0,
    actions: 0,
    negatives: 0,
    attributed: 0,
    orphans: 0,
    ignored: 0,
    unmatched: 0,
  };
}

/** Rows of a ranking that is made from events. */
const ROWS_MAX = 500;
/** Newest events among whose items negatives are sampled. */
const POOL_EVENTS = 10_000;
/** Distinct items among which the other negatives are sampled. */
const POOL_ITEMS = 1_000_000;
/** Rankings that wait for events are looked through for old ones after so many additions. */
const SWEEP_ADDITIONS = 100_000;

export class Visits {
  readonly #history: History;
  readonly #options: VisitOptions;
  readonly counts = noCounts();
  /** The newest ranking by user and item. */
  readonly #shown = new Map<string, { readonly ranking: string; readonly atMs: number }>();
  #additions = 0;
  /** Items of the events so far. */
  readonly #pool: ItemPool;
  #made = 0;
  /** Events that {@link all} has passed. */
  eventsDone = 0;

  constructor(history: History, options: VisitOptions) {
    this.#history = history;
    this.#options = options;
    const { uniformShare } = options;
    this.#pool = new ItemPool({ eventsMax: POOL_EVENTS, itemsMax: POOL_ITEMS, uniformShare });
  }

  /** All visits, in order of time. To be called once. */
  *all(): Generator<Visit> {
    const order = this.#history.eventsByTime();
    const rankings = this.#history.rankings.toSorted((a, b) => a.atMs - b.atMs);
    // An item with events can be a negative from its first event on.
    for (const item of this.#history.itemsWithoutEvents()) {
      if (this.#pool.hasRoom) this.#pool.addKnown(item);
    }
    for (let i = 0; i < Math.min(order.length, POOL_EVENTS / 10); i++) {
      this.#pool.add(this.#history.event(order[i]).item);
    }
    let nextRanking = 0;
    for (let i = 0; i < order.length;) {
      const first = this.#history.event(order[i]);
      while (nextRanking < rankings.length && rankings[nextRanking].atMs <= first.atMs) {
        yield this.#ranking(rankings[nextRanking++]);
      }
      const begin = i;
      const group = [first];
      while (++i < order.length) {
        const next = this.#history.event(order[i]);
        if (!isOfVisit(next, first)) break;
        group.push(next);
      }
      this.eventsDone = i;
      yield* this.#visitsOf(group, order.subarray(begin, i));
    }
    while (nextRanking < rankings.length) yield this.#ranking(rankings[nextRanking++]);
  }

  #ranking(
    { ranking, user, atMs, items, context, userFields }: History["rankings"][number],
  ): Visit {
    this.counts.rankings++;
    for (const item of items) this.#show(user, item, ranking, atMs);
    return {
      user,
      atMs,
      ranking: { id: ranking, items, context: context ?? {} },
      actions: [],
      ...(userFields && { userFields }),
      itemFields: new Map(),
    };
  }

  /** @param indices Indices of the events in the history, for ids. */
  *#visitsOf(group: readonly PastEvent[], indices: Uint32Array): Generator<Visit> {
    const { idPrefix, rules, negatives } = this.#options;
    const [{ user, atMs }] = group;
    const actions: PastAction[] = [];
    const unmatched: PastAction[] = [];
    const itemFields = new Map<string, FeatureAttributes>();
    let userFields: FeatureAttributes | undefined;
    group.forEach((event, i) => {
      const { item, action, value } = event;
      if (event.itemFields !== undefined) itemFields.set(item, event.itemFields);
      userFields = event.userFields ?? userFields;
      this.#pool.add(item);
      const verdict = rules.judge(action, Number.isNaN(value) ? undefined : value);
      if (verdict === undefined) {
        this.counts.ignored++;
        return;
      }
      const eventId = event.eventId ?? `${idPrefix}-e${indices[i]}`;
      const past = { eventId, item, action, value, atMs: event.atMs };
      const rankingId = this.#rankingOf(event, verdict.final);
      if (rankingId !== undefined) actions.push({ ...past, rankingId });
      else if (negatives > 0 && verdict.labels.every((label) => (label ?? 0) === 0)) {
        this.counts.unmatched++;
      } else unmatched.push({ ...past, rankingId: "" });
    });
    const fields = { ...(userFields && { userFields }), itemFields };
    this.counts.actions += actions.length + unmatched.length;
    if (actions.length > 0 || unmatched.length === 0) yield { user, atMs, actions, ...fields };
    const items = [...new Set(unmatched.map(({ item }) => item))];
    const perRanking = Math.floor(ROWS_MAX / (1 + negatives));
    for (let at = 0; at < items.length; at += perRanking) {
      const some = items.slice(at, at + perRanking);
      const id = `${idPrefix}-r${this.#made++}`;
      this.counts.rankingsMade++;
      for (const item of some) this.#show(user, item, id, atMs);
      yield {
        user,
        atMs,
        ranking: { id, context: group[0].context ?? {}, ...this.#rowsOf(id, some, items) },
        actions: unmatched.filter(({ item }) => some.includes(item))
          .map((action) => ({ ...action, rankingId: id })),
        ...fields,
      };
    }
  }

  /** The items of a ranking that is made from events, with its negatives. */
  #rowsOf(
    id: string,
    items: readonly string[],
    taken: readonly string[],
  ): { readonly items: string[]; readonly logSampleRate?: number } {
    const wanted = this.#options.negatives * items.length;
    if (wanted === 0) return { items: [...items] };
    const excluded = new Set(taken);
    const key = fnv1a(id);
    const sampled = this.#pool.sample(
      wanted,
      (item) => excluded.has(item),
      (draw) => uniformAt(key, draw),
    );
    this.counts.negatives += sampled.length;
    return {
      items: [...items, ...sampled],
      logSampleRate: logSampleRateOf(items.length, sampled.length, this.#options.itemsSeen),
    };
  }

  /**
   * The ranking that an event belongs to, by its id or by user and item.
   *
   * @param isFinal Whether the event decides its item at once: then a ranking that was made of an
   * earlier event is decided, and another one is made.
   */
  #rankingOf({ ranking, user, item, atMs }: PastEvent, isFinal: boolean): string | undefined {
    const shown = this.#shown.get(`${user}\n${item}`);
    if (ranking !== undefined) {
      if (shown?.ranking === ranking) return ranking;
      if (this.#history.shows(ranking, item)) return ranking;
      this.counts.orphans++;
    }
    if (shown === undefined || atMs - shown.atMs >= this.#options.windowMs) return undefined;
    if (isFinal && shown.ranking.startsWith(this.#options.idPrefix)) return undefined;
    this.counts.attributed++;
    return shown.ranking;
  }

  #show(user: string, item: string, ranking: string, atMs: number): void {
    this.#shown.set(`${user}\n${item}`, { ranking, atMs });
    if (++this.#additions % SWEEP_ADDITIONS !== 0) return;
    for (const [key, shown] of this.#shown) {
      if (atMs - shown.atMs >= this.#options.windowMs) this.#shown.delete(key);
    }
  }
}

/** Whether an event belongs to the visit of the event before it. */
function isOfVisit(event: PastEvent, first: PastEvent): boolean {
  if (event.user !== first.user || event.visit !== first.visit) return false;
  return event.visit !== undefined || event.atMs === first.atMs;
}

/** Labels that the rules give to the events of a history. */
export interface LabelShares {
  readonly positive: number;
  readonly negative: number;
  /** Events that no rule reads. */
  readonly ignored: number;
}

export function labelShares(history: History, rules: LabelRules): LabelShares {
  const shares = { positive: 0, negative: 0, ignored: 0 };
  for (let i = 0; i < history.events; i++) {
    const { action, value } = history.event(i);
    const verdict = rules.judge(action, Number.isNaN(value) ? undefined : value);
    if (verdict === undefined) shares.ignored++;
    else if (verdict.labels.some((label) => (label ?? 0) !== 0)) shares.positive++;
    else shares.negative++;
  }
  return shares;
}

/** Share of negatives below which a history is taken to hold no negatives of its own. */
const NEGATIVES_MIN = 0.1;

/** Whether events need sampled negatives: nearly all of them are positive. */
export function needsNegatives({ positive, negative }: LabelShares): boolean {
  return negative < NEGATIVES_MIN * (positive + negative);
}
