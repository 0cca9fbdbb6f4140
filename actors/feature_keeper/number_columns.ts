/**
 * The numbers that a key needs for its features: windows, sums of sessions and times of last
 * events, each once however many features read it.
 */
import type { KeptEvent, KeptNumber, KeptSpan } from "./options.ts";
import type { SessionTimes } from "./session_times.ts";
import { addToWindow, sumOf, WINDOW_NUMBERS } from "./window_counts.ts";

/** Windows of the mean that a trend compares with. */
const TREND_WINDOWS = 8;

/** The numbers that events change. */
type ColumnShape =
  | {
    readonly kind: "window";
    readonly event: KeptEvent;
    readonly sums: Summand;
    readonly windowMs: number;
  }
  /** Begin of the session that was summed last, and the sum. */
  | {
    readonly kind: "session";
    readonly event: KeptEvent;
    readonly sums: Summand;
    readonly session: number;
  }
  /** Time of the earliest event, NaN before it. */
  | { readonly kind: "first"; readonly event: KeptEvent }
  /** Time of the latest event, NaN before the first. */
  | { readonly kind: "last"; readonly event: KeptEvent };

type Column = ColumnShape & { readonly at: number };

/** The summed quantity: events, events with a value, or their values. */
type Summand = "events" | "valued" | "values";

/** Time of a read, and the user's sessions then. */
export interface ReadMoment {
  readonly nowMs: number;
  /** Undefined = a user without events, or a key without sessions. */
  readonly sessions: readonly number[] | undefined;
}

type Reader = (numbers: readonly number[], moment: ReadMoment) => number;

/** An event of a key. */
export interface KeyEvent {
  readonly action: string;
  readonly value: number | undefined;
  readonly atMs: number;
}

/** Whether a feature counts an event. */
export function counts(event: KeptEvent, { action, value }: Omit<KeyEvent, "atMs">): boolean {
  const { action: counted, atLeast, below } = event;
  if (counted !== action) return false;
  if (atLeast !== undefined && !(value !== undefined && value >= atLeast)) return false;
  return below === undefined || (value !== undefined && value < below);
}

export class NumberColumns {
  /** Names of the features, in the order of {@link NumberColumns.read}. */
  readonly names: readonly string[];
  readonly #sessions: SessionTimes;
  readonly #columns: Column[] = [];
  readonly #readers: readonly Reader[];
  #end = 0;

  /** @param sessions The sessions of users, which features of users read. */
  constructor(features: readonly KeptNumber[], sessions: SessionTimes) {
    this.#sessions = sessions;
    this.names = features.map(({ name }) => name);
    this.#readers = features.map((feature) => this.#readerOf(feature));
  }

  /** Length of a key's numbers. */
  get length(): number {
    return this.#end;
  }

  /** The numbers of a key without events. */
  create(): number[] {
    const numbers = Array.from({ length: this.length }, () => 0);
    for (const { kind, at } of this.#columns) {
      numbers[at] = kind === "first" || kind === "last" ? NaN : -Infinity;
    }
    return numbers;
  }

  /** Whether any feature counts such events. */
  reads(event: Omit<KeyEvent, "atMs">): boolean {
    return this.#columns.some((column) => counts(column.event, event));
  }

  /** Counts an event. @param sessions The user's sessions, which have the event already. */
  add(numbers: number[], event: KeyEvent, sessions?: readonly number[]): void {
    const { value = NaN, atMs } = event;
    for (const column of this.#columns) {
      if (!counts(column.event, event)) continue;
      if (column.kind === "first" || column.kind === "last") {
        const known = Number.isNaN(numbers[column.at]) ? atMs : numbers[column.at];
        numbers[column.at] = column.kind === "first"
          ? Math.min(atMs, known)
          : Math.max(atMs, known);
        continue;
      }
      if (column.sums !== "events" && Number.isNaN(value)) continue;
      const amount = column.sums === "values" ? value : 1;
      if (column.kind === "window") {
        addToWindow(numbers, column.at, { windowMs: column.windowMs, atMs, amount });
        continue;
      }
      const begin = this.#sessions.beginOf(sessions, column.session, atMs);
      if (atMs < begin) continue;
      if (numbers[column.at] !== begin) numbers[column.at + 1] = 0;
      numbers[column.at] = begin;
      numbers[column.at + 1] += amount;
    }
  }

  /** The features of a key, NaN where absent. @param numbers Undefined = a key without events. */
  read(
    numbers: readonly number[] | undefined,
    moment: ReadMoment,
    out: Float64Array,
    at: number,
  ): void {
    const all = numbers ?? (this.#empty ??= this.create());
    for (let i = 0; i < this.#readers.length; i++) out[at + i] = this.#readers[i](all, moment);
  }

  /** One feature of a key. @param feature Index in {@link NumberColumns.names}. */
  readOne(feature: number, numbers: readonly number[] | undefined, nowMs: number): number {
    const all = numbers ?? (this.#empty ??= this.create());
    return this.#readers[feature](all, { nowMs, sessions: undefined });
  }

  #empty: number[] | undefined;

  #readerOf(feature: KeptNumber): Reader {
    const { of } = feature;
    switch (feature.kind) {
      case "count":
        return this.#sum(of, "events", feature.span);
      case "rate": {
        const { per, span, prior: { rate, weight } } = feature;
        const [some, all] = [this.#sum(of, "events", span), this.#sum(per, "events", span)];
        return (numbers, moment) =>
          (some(numbers, moment) + rate * weight) / (all(numbers, moment) + weight);
      }
      case "mean": {
        const { span, prior: { value, weight } } = feature;
        const [sum, count] = [this.#sum(of, "values", span), this.#sum(of, "valued", span)];
        return (numbers, moment) =>
          (sum(numbers, moment) + value * weight) / (count(numbers, moment) + weight);
      }
      case "trend": {
        const { windowMs } = feature;
        const now = this.#sum(of, "events", { windowMs });
        const before = this.#sum(of, "events", { windowMs: TREND_WINDOWS * windowMs });
        return (numbers, moment) =>
          Math.log((1 + now(numbers, moment)) / (1 + before(numbers, moment) / TREND_WINDOWS));
      }
      case "age":
      case "since": {
        const at = this.#column({ kind: feature.kind === "age" ? "first" : "last", event: of });
        return (numbers, { nowMs }) => Math.max(0, nowMs - numbers[at]) / 3_600_000;
      }
      default:
        return feature satisfies never;
    }
  }

  #sum(event: KeptEvent, sums: Summand, span: KeptSpan): Reader {
    if ("windowMs" in span) {
      const { windowMs } = span;
      const at = this.#column({ kind: "window", event, sums, windowMs });
      return (numbers, { nowMs }) => sumOf(numbers, at, windowMs, nowMs);
    }
    const session = this.#sessions.indexOf(span.sessionMs);
    const at = this.#column({ kind: "session", event, sums, session });
    return (numbers, { nowMs, sessions }) =>
      numbers[at] === this.#sessions.beginOf(sessions, session, nowMs) ? numbers[at + 1] : 0;
  }

  /** The first number of a column, which features with the same shape share. */
  #column(column: ColumnShape): number {
    const shape = JSON.stringify(column);
    const known = this.#columns.find(({ at: _at, ...other }) => JSON.stringify(other) === shape);
    if (known !== undefined) return known.at;
    const at = this.#end;
    this.#columns.push({ ...column, at });
    this.#end += { window: WINDOW_NUMBERS, session: 2, first: 1, last: 1 }[column.kind];
    return at;
  }
}
