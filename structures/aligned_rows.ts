/**
 * Lines of text in columns, as the tables of a terminal.
 *
 * @example
 * ```ts
 * import { alignedRows } from "./aligned_rows.ts";
 *
 * console.assert(alignedRows([["host", "shards"], ["a", "12"]])[1] === "a     12");
 * ```
 */
export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd());
}
