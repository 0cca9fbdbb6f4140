/**
 * Times in the cells of a table, in the forms in which databases and spreadsheets write them.
 */
import { DatasetError, shown } from "./errors.ts";

/** The order in which dates such as 12/1/2010 name day and month. */
export type DateOrder = "month/day/year" | "day/month/year";

/** Facts that the texts of a file do not tell. */
export interface TimeForms {
  /** Absent = a date of which only the order of day and month is unknown is none. */
  readonly order?: DateOrder;
  /** The zone of times without one, such as Europe/Berlin or +09:00. Default UTC. */
  readonly zone?: string;
}

/** The forms, for messages. */
export const TIME_FORMS = "Unix seconds, Unix ms or a date such as 2024-05-01T12:00:00Z";

/** Numbers from here on are of the next unit: March 1973 as ms, µs and ns. */
const [MS_FROM, MICROS_FROM, NANOS_FROM] = [1e11, 1e14, 1e17];

/**
 * A date, or a date and a time, with a zone or without. The year is first; digits alone are a date
 * only from 1900 to 2099, and a number otherwise.
 */
const YEAR_FIRST =
  /^((?:19|20)\d\d|\d{4}(?=[-/.]))([-/.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?:[T ]?(\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?|\d{4}(?:\d\d(?:[.,]\d+)?)?))?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$/i;

/** A date as spreadsheets write it, such as 12/1/2010 8:26. */
const YEAR_LAST =
  /^(\d\d?)([-/.])(\d\d?)\2(\d{4})(?:[ ,T]+(\d\d?):(\d\d)(?::(\d\d(?:\.\d+)?))?(?: ?([ap])\.?m\.?)?)?$/i;

/** A time of day, which a date may precede. */
const TIME_OF_DAY =
  /^\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?\s*(?:Z|UTC|[+-]\d\d(?::?\d\d)?)?$/i;

/** Midnight, by which databases end a date alone. */
const MIDNIGHT = /[T ]00:00(?::00(?:\.0+)?)?Z?$/;

/** A time of day with the text of its day before it. */
export function onDay(timeOfDay: string, day: string): string {
  return `${day.trim().replace(MIDNIGHT, "")} ${timeOfDay.trim()}`;
}

/** Whether the text is a time without a day. */
export function isTimeOfDay(text: string): boolean {
  return TIME_OF_DAY.test(text.trim());
}

/**
 * A time in ms: of Unix s, ms, µs or ns, told by the size of the number; of a date as ISO 8601,
 * also without separators (20240501); or of a date whose year is last. A time without a zone is
 * UTC if `forms` has none, so that a file means the same times on every machine. NaN for any other
 * text, and for a date whose day and month only `forms` tells.
 */
export function timeMsOf(text: string, forms: TimeForms = {}): number {
  const trimmed = text.trim();
  const date = dateOf(trimmed, forms.order);
  if (date !== undefined) return msOf(date, forms.zone);
  const number = trimmed === "" ? NaN : Number(trimmed);
  const size = Math.abs(number);
  if (!Number.isFinite(size)) return NaN;
  if (size < MS_FROM) return number * 1000;
  return size < MICROS_FROM ? number : size < NANOS_FROM ? number / 1e3 : number / 1e6;
}

/** NaN where there is no such day or time of day. */
function msOf({ iso, zone }: LocalDate, zoneName: string | undefined): number {
  // Date.parse reads February 30 as March 1.
  if (new Date(iso.slice(0, 10)).getUTCDate() !== Number(iso.slice(8, 10))) return NaN;
  const ms = Date.parse(iso + (zone ?? "Z"));
  if (zone !== undefined || zoneName === undefined || Number.isNaN(ms)) return ms;
  // By way of UTC, because Temporal reads fewer texts than Date.parse, such as no 24:00.
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO("UTC").toPlainDateTime()
    .toZonedDateTime(zoneName).epochMilliseconds;
}

/** Whether only the order of day and month is missing to read the date. */
export function needsDateOrder(text: string): boolean {
  const orders = ["day/month/year", "month/day/year"] as const;
  return Number.isNaN(timeMsOf(text)) &&
    orders.some((order) => !Number.isNaN(timeMsOf(text, { order })));
}

/** Whether the text is a date whose zone it does not tell. */
export function lacksZone(text: string, { order }: TimeForms): boolean {
  const date = dateOf(text.trim(), order);
  return date !== undefined && date.zone === undefined;
}

/** Whether Cairn knows the zone of this name. */
export function isZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

/** A date and a time of day as ISO 8601; without a zone if the text has none. */
interface LocalDate {
  readonly iso: string;
  readonly zone?: string;
}

function dateOf(text: string, order: DateOrder | undefined): LocalDate | undefined {
  const yearFirst = YEAR_FIRST.exec(text);
  if (yearFirst !== null) {
    const [, year, , month, day, time = "0000", zone] = yearFirst;
    const iso = `${year}-${month}-${day}T${clockOf(time)}`;
    return zone === undefined ? { iso } : { iso, zone: zoneOf(zone) };
  }
  const [, first, separator, second, year, hour = "0", minute = "00", seconds = "00", half] =
    YEAR_LAST.exec(text) ?? [];
  if (separator === undefined) return undefined;
  // No locale writes the month first between dots.
  const dayFirst = separator === "." || order === "day/month/year";
  if (!dayFirst && order === undefined) return undefined;
  const [day, month] = dayFirst ? [first, second] : [second, first];
  const hours = half === undefined
    ? Number(hour)
    : Number(hour) % 12 + (half.toLowerCase() === "p" ? 12 : 0);
  const two = (part: string | number) => String(part).padStart(2, "0");
  return { iso: `${year}-${two(month)}-${two(day)}T${two(hours)}:${minute}:${seconds}` };
}

/** `hh:mm:ss` and a fraction, of a time that may lack a digit of the hour, colons or seconds. */
function clockOf(time: string): string {
  const digits = time.replace(/^\d:/, "0$&").replaceAll(":", "").replace(",", ".");
  const seconds = digits.slice(4);
  return `${digits.slice(0, 2)}:${digits.slice(2, 4)}:${seconds === "" ? "00" : seconds}`;
}

/** A zone as ISO 8601 has it: PostgreSQL writes +01, BigQuery UTC. */
function zoneOf(zone: string): string {
  if (!/^[+-]/.test(zone)) return "Z";
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}

/** The time in a cell, ms. @throws {DatasetError} When it is none. */
export function timeAt(text: string, file: string, line: number): number {
  const ms = timeMsOf(text);
  if (!Number.isNaN(ms)) return ms;
  throw new DatasetError(
    file,
    line,
    needsDateOrder(text)
      ? `the time is ${shown(text)}, which may name the day or the month first; write the year ` +
        "first: 2024-05-01 12:00."
      : `the time is ${shown(text)}, expected ${TIME_FORMS}.`,
  );
}
