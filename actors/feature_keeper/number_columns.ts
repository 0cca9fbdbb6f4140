/**
 * The numbers that a key needs for its features: windows and times of last events, each once
 * however many features read it.
 */
import type { KeptBy, KeptEvent, KeptNumber } from "./options.ts";
import { addToWindow, countOf, WINDOW_NUMBERS } from "./window_counts.ts";

/** Windows of the mean that a trend compares with. */
const TREND_WINDOWS = 8;

type Column =
  | {
    readonly kind: "window";
    readonly event: KeptEvent;
    readonly windowMs: number;
    readonly at: number;
  }
  | { readonly kind: "last"; readonly event: KeptEvent; readonly at: number };

/** An event of a key. */
export interface KeyEvent {
  readonly action: string;
  readonly value: number | undefined;
  readonly atMs: number;
}

export class NumberColumns {
  /** Names of the features, in the order of {@link NumberColumns.read}. */
  readonly names: readonly string[];
  /** Length of a key's numbers. */
  readonly length: number;
  readonly #columns: Column[] = [];
  readonly #readers: readonly ((numbers: Float64Array, nowMs: number) => number)[];
  #end = 0;

  constructor(features: readonly KeptNumber[], by: KeptBy) {
    const own = features.filter((feature) => feature.by === by);
    this.names = own.map(({ name }) => name);
    this.#readers = own.map((feature) => this.#readerOf(feature));
    this.length = this.#end;
  }

  /** The numbers of a key without events. */
  create(): Float64Array {
    const numbers = new Float64Array(this.length);
    for (const { kind, at } of this.#columns) numbers[at] = kind === "last" ? NaN : -Infinity;
    return numbers;
  }

  /** Counts an event. */
  add(numbers: Float64Array, { action, value, atMs }: KeyEvent): void {
    for (const column of this.#columns) {
      const { action: counted, atLeast, below } = column.event;
      if (counted !== action) continue;
      if (atLeast !== undefined && !(value !== undefined && value >= atLeast)) continue;
      if (below !== undefined && !(value !== undefined && value < below)) continue;
      if (column.kind === "window") addToWindow(numbers, column.at, column.windowMs, atMs);
      else numbers[column.at] = Math.max(atMs, numbers[column.at] || 0);
    }
  }

  /** The features of a key, NaN where absent. @param numbers Undefined = a key without events. */
  read(numbers: Float64Array | undefined, nowMs: number, out: Float64Array, at: number): void {
    const all = numbers ?? (this.#empty ??= this.create());
    for (let i = 0; i < this.#readers.length; i++) out[at + i] = this.#readers[i](all, nowMs);
  }

  /** One feature of a key. @param feature Index in {@link NumberColumns.names}. */
  readOne(feature: number, numbers: Float64Array | undefined, nowMs: number): number {
    return this.#readers[feature](numbers ?? (this.#empty ??= this.create()), nowMs);
  }

  #empty: Float64Array | undefined;

  #readerOf(feature: KeptNumber): (numbers: Float64Array, nowMs: number) => number {
    switch (feature.kind) {
      case "count": {
        const count = this.#window(feature.of, feature.windowMs);
        return count;
      }
      case "rate": {
        const { of, per, windowMs, prior: { rate, weight } } = feature;
        const [some, all] = [this.#window(of, windowMs), this.#window(per, windowMs)];
        return (numbers, nowMs) =>
          (some(numbers, nowMs) + rate * weight) / (all(numbers, nowMs) + weight);
      }
      case "trend": {
        const { of, windowMs } = feature;
        const now = this.#window(of, windowMs);
        const before = this.#window(of, TREND_WINDOWS * windowMs);
        return (numbers, nowMs) =>
          Math.log((1 + now(numbers, nowMs)) / (1 + before(numbers, nowMs) / TREND_WINDOWS));
      }
      case "since": {
        const at = this.#column({ kind: "last", event: feature.of });
        return (numbers, nowMs) => Math.max(0, nowMs - numbers[at]) / 3_600_000;
      }
      default:
        return feature satisfies never;
    }
  }

  #window(event: KeptEvent, windowMs: number): (numbers: Float64Array, nowMs: number) => number {
    const at = this.#column({ kind: "window", event, windowMs });
    return (numbers, nowMs) => countOf(numbers, at, windowMs, nowMs);
  }

  /** The first number of a column, which features with the same event and window share. */
  #column(
    column:
      | { readonly kind: "window"; readonly event: KeptEvent; readonly windowMs: number }
      | { readonly kind: "last"; readonly event: KeptEvent },
  ): number {
    const shape = JSON.stringify(column);
    const known = this.#columns.find(({ at: _at, ...other }) => JSON.stringify(other) === shape);
    if (known !== undefined) return known.at;
    const at = this.#end;
    this.#columns.push({ ...column, at });
    this.#end += column.kind === "window" ? WINDOW_NUMBERS : 1;
    return at;
  }
}
