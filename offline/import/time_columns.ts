/** Columns that are known as a time by the last word of their names, such as `ordered_at`. */

import { plainName } from "../datasets/columns.ts";

/** Words that end the name of a time, and units that it may have too (`ts_ms`, `unix_time`). */
const timeWords = ["at", "time", "date", "datetime", "timestamp", "ts"];
const timeUnits = ["s", "seconds", "ms", "millis", "us", "micros", "ns", "utc", "unix", "epoch"];

/** Words for an action: a time of anything else, such as `ship_date`, is not that of the row. */
const actionWords = [
  "created",
  "ordered",
  "order",
  "purchased",
  "purchase",
  "event",
  "placed",
  "occurred",
  "viewed",
  "clicked",
  "visited",
  "visit",
  "session",
  "action",
];

/** The columns whose last word names a time. */
export function timesByLastWord(columns: readonly string[]): string[] {
  return columns.filter((column) => wordsBeforeTime(column) !== undefined);
}

/** The only column whose last word names a time and whose other words name an action. */
export function timeOfActions(columns: readonly string[]): string | undefined {
  const [only, ...others] = columns.filter((column) =>
    wordsBeforeTime(column)?.every((word) => actionWords.includes(word))
  );
  return others.length === 0 ? only : undefined;
}

/** The words before those that name a time: `ordered` of `orderedAt`, `Ordered Date Time (UTC)`. */
function wordsBeforeTime(column: string): string[] | undefined {
  const words = column.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase()
    .match(/[a-z0-9]+/g)?.filter((word) => !timeUnits.includes(word)) ?? [];
  const before = 1 + words.findLastIndex((word) => !timeWords.includes(word));
  return before < words.length ? words.slice(0, before) : undefined;
}

/** The column of the other half of a time in two: `Order Date` for `Order Time`, and back. */
export function halfOfTime(
  half: "date" | "time",
  column: string,
  columns: readonly string[],
): string | undefined {
  const name = plainName(column).replace(half === "date" ? /time$/ : /date$/, half);
  return columns.find((other) => other !== column && plainName(other) === name);
}
