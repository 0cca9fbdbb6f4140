/**
 * Reads files of history by their mappings. A row that cannot be used is refused with a reason, and
 * the others are read.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { FeatureSource } from "../../kernels/features/schema.ts";
import { present } from "../../structures/invariant.ts";
import { shown } from "../datasets/errors.ts";
import type { DecimalSign } from "../datasets/numbers.ts";
import {
  isTimeOfDay,
  lacksZone,
  needsDateOrder,
  onDay,
  TIME_FORMS,
  type TimeForms,
  timeMsOf,
} from "../datasets/times.ts";
import { attributeOf, idOf, isAbsent, listOf, numberOf, RefusedError } from "./cells.ts";
import { describeOldTimes, likelyReading, type ReadTime } from "./doubtful_times.ts";
import type { Cell, FileRow } from "./file_rows.ts";
import type { History, PastRanking } from "./history.ts";
import type { MappedColumn } from "./mapping.ts";
import type { FileContent, Role } from "./roles.ts";

/** Range of the values of an action, inclusive. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

export interface ReadHistoryOptions {
  readonly content: FileContent;
  readonly mapping: readonly MappedColumn[];
  /** The action of events of a file without a column of actions. */
  readonly action: string;
  readonly times: TimeForms;
  /** The sign before the decimals of numbers. Absent = a point, and `1,234` is none. */
  readonly decimal?: DecimalSign;
  /** Latest time that an event or ranking may have, ms: it happened in the past. */
  readonly latestMs: number;
  /** Events and rankings from this time on are left out, ms. */
  readonly untilMs: number;
  readonly valueRanges: Readonly<Record<string, ValueRange>>;
  /** Takes a row that is not read. */
  readonly refuse: (line: number, reason: string, cells: readonly Cell[]) => void;
}

/** Local time is ahead of UTC by at most 14 h. */
const ZONES_MS = 14 * 3_600_000;

export interface ReadRows {
  /** Rows that were added to the history. */
  readonly added: number;
  /** Empty = none. */
  readonly warning: string;
}

/** Adds the rows of a file to the history. */
export async function readHistory(
  history: History,
  rows: AsyncIterable<FileRow>,
  options: ReadHistoryOptions,
  onProgress: (rows: number) => void = () => {},
): Promise<ReadRows> {
  const reader = new RowReader(history, options);
  let [read, added] = [0, 0];
  for await (const row of rows) {
    if (++read % 4096 === 0) onProgress(read);
    const { line, cells } = row;
    try {
      if ("reason" in row) throw new RefusedError(row.reason);
      reader.add(cells, row.part);
      added++;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      options.refuse(line, error.message, cells);
    }
  }
  reader.end();
  onProgress(read);
  return { added, warning: reader.warning };
}

class RowReader {
  readonly #history: History;
  readonly #options: ReadHistoryOptions;
  readonly #columnOf: Partial<Record<Role, MappedColumn>> = {};
  readonly #attributes: readonly MappedColumn[];
  #newest: ReadTime | undefined;
  /** The ranking whose rows are being read, one item each. */
  #ranking: Omit<PastRanking, "items"> & { readonly items: string[] } | undefined;

  constructor(history: History, options: ReadHistoryOptions) {
    this.#history = history;
    this.#options = options;
    for (const mapped of options.mapping) {
      if (mapped.target.kind === "role") this.#columnOf[mapped.target.role] = mapped;
    }
    this.#attributes = options.mapping.filter(({ target }) => target.kind === "attribute");
  }

  /** @param part Index of the row among those of one line, such as the items of an order. */
  add(cells: readonly Cell[], part = 0): void {
    switch (this.#options.content) {
      case "items":
        this.#history.profiles.item.set(this.#id("id", cells), this.#fields(cells).item ?? {});
        return;
      case "users":
        this.#history.profiles.user.set(this.#id("id", cells), this.#fields(cells).user ?? {});
        return;
      case "impressions":
        return this.#addRanking(cells);
      case "events":
        return this.#addEvent(cells, part);
      default:
        this.#options.content satisfies never;
    }
  }

  /** A warning of the rows so far; empty = none. */
  get warning(): string {
    const time = this.#columnOf.time;
    if (time === undefined || this.#newest === undefined) return "";
    return describeOldTimes(this.#newest, time.column, this.#options.latestMs);
  }

  /** Adds the last ranking. */
  end(): void {
    if (this.#ranking === undefined) return;
    this.#history.addRanking({ ...this.#ranking, items: [...new Set(this.#ranking.items)] });
    this.#ranking = undefined;
  }

  /** A ranking is one row with a list of items, or neighbouring rows with one item each. */
  #addRanking(cells: readonly Cell[]): void {
    const atMs = this.#time(cells);
    if (atMs >= this.#options.untilMs) return;
    const id = this.#id("ranking", cells);
    const user = this.#id("user", cells);
    const items = this.#items(cells);
    if (this.#ranking?.ranking === id) {
      this.#ranking.items.push(...items);
      return;
    }
    if (this.#history.hasRanking(id)) {
      throw new RefusedError(
        `ranking ${shown(id)} was there before; the rows of a ranking follow each other`,
      );
    }
    this.end();
    const { user: userFields, context } = this.#fields(cells);
    this.#ranking = {
      ranking: id,
      user,
      atMs,
      items,
      ...(userFields && { userFields }),
      ...(context && { context }),
    };
  }

  #addEvent(cells: readonly Cell[], part: number): void {
    const atMs = this.#time(cells);
    if (atMs >= this.#options.untilMs) return;
    const user = this.#id("user", cells);
    if (listOf(this.#cell("item", cells), "the item") !== undefined) {
      throw new RefusedError("the item is a list; write a row for each item");
    }
    const item = this.#id("item", cells);
    const action = this.#columnOf.action === undefined
      ? this.#options.action
      : this.#id("action", cells);
    const value = this.#value(action, cells);
    const fields = this.#fields(cells);
    const ranking = this.#optionalId("ranking", cells);
    const visit = this.#optionalId("visit", cells);
    const lineId = this.#optionalId("event", cells);
    const eventId = lineId === undefined || part === 0 ? lineId : `${lineId}/${part}`;
    if (eventId !== undefined && this.#history.hasEvent(eventId)) {
      throw new RefusedError(`event ${shown(eventId)} was there before; an event counts once`);
    }
    this.#history.addEvent({
      user,
      item,
      action,
      value,
      atMs,
      ...(ranking !== undefined && { ranking }),
      ...(visit !== undefined && { visit }),
      ...(eventId !== undefined && { eventId }),
      ...(fields.user && { userFields: fields.user }),
      ...(fields.item && { itemFields: fields.item }),
      ...(fields.context && { context: fields.context }),
    });
  }

  #cell(role: Role, cells: readonly Cell[]): Cell {
    const mapped = this.#columnOf[role];
    return mapped === undefined ? undefined : cells[mapped.index];
  }

  #id(role: Role, cells: readonly Cell[]): string {
    const id = this.#optionalId(role, cells);
    if (id === undefined) {
      throw new RefusedError(`column ${this.#columnOf[role]?.column} has no ${role}`);
    }
    return id;
  }

  #optionalId(role: Role, cells: readonly Cell[]): string | undefined {
    const cell = this.#cell(role, cells);
    return isAbsent(cell) ? undefined : idOf(cell, role);
  }

  /** One item, or a list of items: of JSON, or one text. */
  #items(cells: readonly Cell[]): string[] {
    const { column, index, separator } = present(
      this.#columnOf.item,
      "a ranking has a column of items",
    );
    const cell = cells[index];
    const items = listOf(cell, "the item") ??
      (typeof cell === "string" ? cell.split(separator) : [cell]);
    if (items.length === 0) throw new RefusedError("the list of items is empty");
    if (items.some(isAbsent)) throw new RefusedError(`column ${column} has no item`);
    return items.map((item) => idOf(item, "item"));
  }

  #value(action: string, cells: readonly Cell[]): number {
    const cell = this.#cell("value", cells);
    if (isAbsent(cell)) return NaN;
    const value = numberOf(cell, "the value", this.#options.decimal);
    const range = this.#options.valueRanges[action];
    if (range !== undefined && (value < range.min || value > range.max)) {
      throw new RefusedError(
        `the value ${value} is outside the bounds of the action "${action}" ` +
          `(${range.min} to ${range.max}, by the label rules)`,
      );
    }
    return value;
  }

  #time(cells: readonly Cell[]): number {
    if (this.#columnOf.time === undefined) return 0;
    const text = this.#timeText(cells);
    const { times, latestMs } = this.#options;
    const atMs = timeMsOf(text, times);
    if (Number.isNaN(atMs)) {
      throw new RefusedError(
        `the time is ${shown(text)}, ${
          times.order === undefined && needsDateOrder(text)
            ? "which may name the day or the month first: say --dates day/month/year or " +
              "--dates month/day/year"
            : isTimeOfDay(text)
            ? "which is of no day: name the column of the day by --map '<column>=day'"
            : `expected ${TIME_FORMS}`
        }`,
      );
    }
    // Databases write 1900-01-01 or 0001-01-01 where a time is unknown.
    if (atMs < 0) throw new RefusedError(`the time ${shown(text)} is before 1970`);
    if (atMs > latestMs) {
      const isLocal = times.zone === undefined && atMs - latestMs < ZONES_MS &&
        lacksZone(text, times);
      const likely = likelyReading({ text, atMs }, latestMs);
      throw new RefusedError(
        `the time ${shown(text)} is in the future${
          isLocal
            ? ", read as UTC: --zone names the zone of times without one"
            : likely !== undefined
            ? `, unless it is ${likely.as}; write ${TIME_FORMS}`
            : ""
        }`,
      );
    }
    if (this.#newest === undefined || atMs > this.#newest.atMs) this.#newest = { text, atMs };
    return atMs;
  }

  #timeText(cells: readonly Cell[]): string {
    const [time, day] = [this.#cell("time", cells), this.#cell("day", cells)];
    const text = String(time ?? "");
    if (isAbsent(day)) return text;
    return isAbsent(time) ? String(day) : isTimeOfDay(text) ? onDay(text, String(day)) : text;
  }

  /** The attributes of a row, by source. */
  #fields(cells: readonly Cell[]): Partial<Record<FeatureSource, FeatureAttributes>> {
    const fields: Record<string, Record<string, FeatureAttributes[string]>> = {};
    for (const mapped of this.#attributes) {
      const { index, target } = mapped;
      const cell = cells[index];
      if (target.kind !== "attribute" || isAbsent(cell)) continue;
      (fields[target.source] ??= {})[target.attribute] = attributeOf(
        cell,
        target.type,
        mapped,
        this.#options.decimal,
      );
    }
    return fields;
  }
}
