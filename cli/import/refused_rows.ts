/**
 * Rows that an import cannot use: counted by reason, and written to a file if one is named.
 */
import type { Cell } from "../../offline/import/file_rows.ts";

/** Rows written at a time. */
const ROWS_PER_WRITE = 1_000;

/** A value in a reason: a quoted text, or a number that is not a part of a date. */
const VALUE = /"(?:[^"\\]|\\.)*"|(?<![\w:-])-?\d+(?:\.\d+)?(?![\w:-])/g;

export class RefusedRows {
  readonly #file: Deno.FsFile | undefined;
  /** By the reason without its values: the number of rows, and the first of them. */
  readonly #kinds = new Map<string, { rows: number; readonly first: string }>();
  #lines: string[] = [];
  total = 0;

  /** @param path File that is replaced; undefined = rows are only counted. */
  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : Deno.openSync(path, {
      create: true,
      truncate: true,
      write: true,
    });
  }

  add(
    file: string,
    columns: readonly string[],
    row: { readonly line: number; readonly reason: string; readonly cells: readonly Cell[] },
  ): void {
    this.total++;
    const name = row.reason.replaceAll(VALUE, "…");
    const kind = this.#kinds.get(name);
    if (kind === undefined) {
      this.#kinds.set(name, { rows: 1, first: `${file}:${row.line}: ${row.reason}` });
    } else kind.rows++;
    if (this.#file === undefined) return;
    const { line, reason, cells } = row;
    const values = cells.length <= columns.length
      ? Object.fromEntries(cells.map((cell, i) => [columns[i], cell]))
      : cells;
    this.#lines.push(JSON.stringify({ file, line, reason, row: values }));
    if (this.#lines.length >= ROWS_PER_WRITE) this.#write();
  }

  /** The reasons with the numbers of their rows, and a row of each; the most frequent first. */
  describe(): string {
    return [...this.#kinds.values()].sort((a, b) => b.rows - a.rows).map(({ rows, first }) =>
      `  ${rows.toLocaleString("en").padStart(12)}  ${rows > 1 ? "such as " : ""}${first}\n`
    ).join("");
  }

  close(): void {
    this.#write();
    this.#file?.close();
  }

  #write(): void {
    if (this.#file === undefined || this.#lines.length === 0) return;
    const bytes = new TextEncoder().encode(this.#lines.join("\n") + "\n");
    for (let written = 0; written < bytes.length;) {
      written += this.#file.writeSync(bytes.subarray(written));
    }
    this.#lines = [];
  }
}
