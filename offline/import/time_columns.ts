/** Columns that are known as a time by the last word of their names, such as `ordered_at`. */

/** Words that end the name of a time, and units that may follow it (`ts_ms`). */
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

/** The only column whose last word names a time, if its other words name an action. */
export function timeOfActions(columns: readonly string[]): string | undefined {
  const [only, ...others] = timesByLastWord(columns);
  if (only === undefined || others.length > 0) return undefined;
  return wordsBeforeTime(only)?.every((word) => actionWords.includes(word)) ? only : undefined;
}

/** The words before the one that names a time: `ordered` of `orderedAt`, `Ordered At`. */
function wordsBeforeTime(column: string): string[] | undefined {
  const words = column.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase()
    .split(/[^a-z0-9]+/);
  const last = words.findLastIndex((word) => !timeUnits.includes(word));
  return last > 0 && timeWords.includes(words[last]) ? words.slice(0, last) : undefined;
}
