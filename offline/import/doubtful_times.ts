/** Warns of times in years in which no shop on the web kept a history, with their likely form. */
import { shown } from "../datasets/errors.ts";
import { TIME_FORMS, timeMsOf } from "../datasets/times.ts";

/** Histories begin later. */
const EARLIEST_MS = Date.UTC(1997, 0, 1);
/** Another reading is not named where it gives an older time, as it does of any small number. */
const LIKELY_FROM_MS = Date.UTC(2002, 0, 1);

const DAY_MS = 86_400_000;

/** Readings that an import does not make, ms. The first that gives a likely time is named. */
const readings: readonly (readonly [string, (number: number, text: string) => number])[] = [
  ["days since 1899-12-30, as spreadsheets count", (days) => (days - 25_569) * DAY_MS],
  ["days since 1970-01-01", (days) => days * DAY_MS],
  ["year, day and month", (_, text) => timeMsOf(text.replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$3-$2"))],
  ["year of two digits, month and day", (_, text) => timeMsOf(text.replace(/^\d{6}$/, "20$&"))],
  ["Unix minutes", (minutes) => minutes * 60_000],
  ["Unix seconds that were divided by 1,000", (number) => number * 1e6],
  ["ticks of .NET", (ticks) => ticks / 1e4 - 62_135_596_800_000],
  ["a file time of Windows", (ticks) => ticks / 1e4 - 11_644_473_600_000],
  ["µs since 1601-01-01, as browsers count", (micros) => micros / 1e3 - 11_644_473_600_000],
  ["seconds since 2001-01-01, as Apple counts", (seconds) => seconds * 1000 + 978_307_200_000],
];

export interface ReadTime {
  readonly text: string;
  readonly atMs: number;
}

/** The reading by which a time is likely, and the time; undefined if there is none. */
export function likelyReading(
  { text, atMs }: ReadTime,
  latestMs: number,
): { readonly as: string; readonly atMs: number } | undefined {
  const typed = text.trim() === "" ? NaN : Number(text);
  const number = Number.isFinite(typed) ? typed : atMs / 1000;
  for (const [as, msOf] of readings) {
    const likelyMs = msOf(number, text.trim());
    if (likelyMs >= LIKELY_FROM_MS && likelyMs <= latestMs) return { as, atMs: likelyMs };
  }
  return undefined;
}

/** Warns where the newest time of a file is before all histories; otherwise empty. */
export function describeOldTimes(newest: ReadTime, column: string, latestMs: number): string {
  if (newest.atMs >= EARLIEST_MS) return "";
  const likely = likelyReading(newest, latestMs);
  const iso = (ms: number) => new Date(ms).toISOString();
  return `warning: all times are before 1997: column ${column} is ${shown(newest.text)} at most, ` +
    `read as ${iso(newest.atMs)}. ${
      likely === undefined ? "" : `As ${likely.as}, it would be ${iso(likely.atMs)}. `
    }Windows, features of the time and counts mean nothing by them; write ${TIME_FORMS}.`;
}
