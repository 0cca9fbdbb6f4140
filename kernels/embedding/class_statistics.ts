/**
 * Statistics of all classes of a shard's rows.
 */
import type { TableStatistics } from "./table_statistics.ts";

/** Sums over all classes, and some statistics of each. */
export interface ClassTablesStatistics extends Omit<TableStatistics, "rowBytes" | "displacement"> {
  readonly classes: readonly Pick<TableStatistics, "rows" | "bytes" | "rowBytes">[];
}

/** The statistics of all tables together. */
export function sumOf(each: readonly TableStatistics[]): ClassTablesStatistics {
  const sum = (of: (statistics: TableStatistics) => number) =>
    each.reduce((total, statistics) => total + of(statistics), 0);
  const rows = sum((statistics) => statistics.rows);
  const cells = sum(({ rows, load }) => rows === 0 ? 0 : rows / load);
  return {
    rows,
    load: rows === 0 ? 0 : rows / cells,
    bytes: sum(({ bytes }) => bytes),
    touched: sum(({ touched }) => touched),
    lookups: sum(({ lookups }) => lookups),
    missing: sum(({ missing }) => missing),
    admitted: sum(({ admitted }) => admitted),
    filtered: sum(({ filtered }) => filtered),
    evicted: sum(({ evicted }) => evicted),
    rejected: sum(({ rejected }) => rejected),
    updated: sum(({ updated }) => updated),
    clockSeconds: Math.max(...each.map(({ clockSeconds }) => clockSeconds)),
    classes: each.map(({ rows, bytes, rowBytes }) => ({ rows, bytes, rowBytes })),
  };
}
