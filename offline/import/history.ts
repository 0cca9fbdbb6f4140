/**
 * Interactions and rankings of the past, in memory, as the files tell them. Ids and repeated
 * attributes are numbered, so that a row takes some 80 bytes.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import { invariant } from "../../structures/invariant.ts";
import { Numbering } from "../datasets/numbering.ts";

/** Number of a text or of attributes that a row does not have. */
export const NONE = -1;

/** An event of a file. */
export interface PastEvent {
  readonly user: string;
  readonly item: string;
  readonly action: string;
  /** NaN = none. */
  readonly value: number;
  readonly atMs: number;
  readonly ranking?: string;
  readonly visit?: string;
  readonly eventId?: string;
  readonly userFields?: FeatureAttributes;
  readonly itemFields?: FeatureAttributes;
  readonly context?: FeatureAttributes;
}

/** A ranking of a file, as it was shown. */
export interface PastRanking {
  readonly ranking: string;
  readonly user: string;
  readonly atMs: number;
  readonly items: readonly string[];
  readonly userFields?: FeatureAttributes;
  readonly context?: FeatureAttributes;
}

/** Numbers values that are equal as JSON. */
class AttributeSets {
  readonly all: FeatureAttributes[] = [];
  readonly #keys = new Numbering();

  of(attributes: FeatureAttributes | undefined): number {
    if (attributes === undefined) return NONE;
    const number = this.#keys.of(JSON.stringify(attributes));
    if (number === this.all.length) this.all.push(attributes);
    return number;
  }
}

/** Columns of all events; numbers are {@link NONE} where an event has no such field. */
interface EventColumns {
  readonly user: number[];
  readonly item: number[];
  readonly action: number[];
  readonly value: number[];
  readonly atMs: number[];
  readonly ranking: number[];
  readonly visit: number[];
  readonly eventId: number[];
  readonly userFields: number[];
  readonly itemFields: number[];
  readonly context: number[];
}

export class History {
  /** Stored attributes by id. */
  readonly profiles = {
    user: new Map<string, FeatureAttributes>(),
    item: new Map<string, FeatureAttributes>(),
  };
  readonly rankings: PastRanking[] = [];
  readonly #rankingsById = new Map<string, PastRanking>();
  readonly #texts = new Numbering();
  readonly #attributes = new AttributeSets();
  /** Ids of events, by the numbers of their texts. */
  readonly #eventIds = new Set<number>();
  readonly #columns: EventColumns = {
    user: [],
    item: [],
    action: [],
    value: [],
    atMs: [],
    ranking: [],
    visit: [],
    eventId: [],
    userFields: [],
    itemFields: [],
    context: [],
  };

  get events(): number {
    return this.#columns.user.length;
  }

  addEvent(event: PastEvent): void {
    const columns = this.#columns;
    const numberOf = (text: string | undefined) => text === undefined ? NONE : this.#texts.of(text);
    columns.user.push(numberOf(event.user));
    columns.item.push(numberOf(event.item));
    columns.action.push(numberOf(event.action));
    columns.value.push(event.value);
    columns.atMs.push(event.atMs);
    columns.ranking.push(numberOf(event.ranking));
    columns.visit.push(numberOf(event.visit));
    const eventId = numberOf(event.eventId);
    columns.eventId.push(eventId);
    if (eventId !== NONE) this.#eventIds.add(eventId);
    columns.userFields.push(this.#attributes.of(event.userFields));
    columns.itemFields.push(this.#attributes.of(event.itemFields));
    columns.context.push(this.#attributes.of(event.context));
  }

  /** Adds a ranking whose id is new. */
  addRanking(ranking: PastRanking): void {
    invariant(!this.hasRanking(ranking.ranking), "a ranking is added once");
    this.#rankingsById.set(ranking.ranking, ranking);
    this.rankings.push(ranking);
  }

  hasRanking(id: string): boolean {
    return this.#rankingsById.has(id);
  }

  /** Whether an event of this id was added. */
  hasEvent(id: string): boolean {
    return this.#eventIds.has(this.#texts.find(id) ?? NONE);
  }

  /** Whether the ranking showed the item. */
  shows(ranking: string, item: string): boolean {
    return this.#rankingsById.get(ranking)?.items.includes(item) === true;
  }

  /** The event at an index. */
  event(index: number): PastEvent {
    const columns = this.#columns;
    const [user, item, action] = [columns.user, columns.item, columns.action].map((column) =>
      this.#texts.names[column[index]]
    );
    return {
      user,
      item,
      action,
      value: columns.value[index],
      atMs: columns.atMs[index],
      ...given("ranking", this.#texts.names[columns.ranking[index]]),
      ...given("visit", this.#texts.names[columns.visit[index]]),
      ...given("eventId", this.#texts.names[columns.eventId[index]]),
      ...given("userFields", this.#attributes.all[columns.userFields[index]]),
      ...given("itemFields", this.#attributes.all[columns.itemFields[index]]),
      ...given("context", this.#attributes.all[columns.context[index]]),
    };
  }

  /** Indices of the events in order of time; events of one time keep the order of the file. */
  eventsByTime(): Uint32Array {
    const { atMs } = this.#columns;
    const order = Uint32Array.from(atMs, (_, index) => index);
    for (let i = 1; i < order.length; i++) {
      if (atMs[i] < atMs[i - 1]) return order.sort((a, b) => atMs[a] - atMs[b] || a - b);
    }
    return order;
  }

  /** Items with a stored profile that no event and no ranking names. */
  itemsWithoutEvents(): string[] {
    const named = new Set<string>(this.rankings.flatMap(({ items }) => items));
    for (const number of new Set(this.#columns.item)) named.add(this.#texts.names[number]);
    return [...this.profiles.item.keys()].filter((item) => !named.has(item));
  }

  /** Time of the oldest event or ranking, ms; Infinity if there is none. */
  get firstMs(): number {
    return this.#extreme(Math.min, Infinity);
  }

  /** Time of the newest event or ranking, ms; -Infinity if there is none. */
  get lastMs(): number {
    return this.#extreme(Math.max, -Infinity);
  }

  #extreme(of: (a: number, b: number) => number, start: number): number {
    const ofEvents = this.#columns.atMs.reduce((a, b) => of(a, b), start);
    return this.rankings.reduce((extreme, { atMs }) => of(extreme, atMs), ofEvents);
  }

  /** Time of the event at an index, ms. */
  timeOf(index: number): number {
    return this.#columns.atMs[index];
  }
}

function given<K extends string, T>(key: K, value: T | undefined): { [Key in K]?: T } {
  return value === undefined ? {} : { [key]: value } as { [Key in K]?: T };
}
