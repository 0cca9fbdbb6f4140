/**
 * Rows of a file of history, CSV, JSON Lines or Parquet, with the line of each. A row that cannot
 * be read is reported and does not end the reading: files of years always have some.
 */
import { Readable } from "node:stream";
import { parse } from "csv-parse";
import { DatasetError } from "../datasets/errors.ts";
import { listHint, readLines, readText, requireFile } from "../datasets/lines.ts";
import {
  columnsOfObjects,
  fileRows,
  isObject,
  type ObjectFields,
  rowsOfObject,
} from "./object_fields.ts";

/** Layout of a file. */
export interface FileFormat {
  readonly kind: "csv" | "jsonl" | "parquet";
  /** CSV: between two cells. Default `,`. */
  readonly delimiter?: string;
  /** CSV: names of the columns of a file without a header. */
  readonly header?: readonly string[];
  /** CSV: whether cells may be quoted. Default: by delimiter and header. */
  readonly quoted?: boolean;
  /** Default `utf-8`. */
  readonly encoding?: string;
}

/** A cell: text in CSV, any value in JSON Lines and Parquet; undefined where the row has none. */
export type Cell = unknown;

/** A row, or a line that holds none. */
export type FileRow =
  | {
    readonly line: number;
    readonly cells: readonly Cell[];
    /** Index among the rows of one line. Default 0. */
    readonly part?: number;
  }
  | { readonly line: number; readonly cells: readonly Cell[]; readonly reason: string };

export interface FileRows {
  readonly columns: readonly string[];
  rows(): AsyncIterable<FileRow>;
}

/**
 * The format by the name of the file: `.jsonl`, `.ndjson` and `.json` are JSON Lines, `.parquet` is
 * Parquet, others are CSV.
 */
export function formatOf(file: string): FileFormat {
  const name = file.toLowerCase().replace(/\.gz$/, "");
  if (name.endsWith(".parquet")) return { kind: "parquet" };
  if (/\.(jsonl|ndjson|json)$/.test(name)) return { kind: "jsonl" };
  return name.endsWith(".tsv") ? { kind: "csv", delimiter: "\t" } : { kind: "csv" };
}

/**
 * Opens a file and reads the names of its columns.
 *
 * @throws {DatasetError} When the file cannot be read or has no columns.
 */
export async function openFileRows(file: string, format: FileFormat): Promise<FileRows> {
  await requireFile(file);
  if (format.kind === "parquet") {
    const { openParquetRows } = await import("./parquet_rows.ts");
    return await openParquetRows(file);
  }
  if (format.kind === "jsonl") {
    const columns = await jsonColumns(file);
    return { columns, rows: () => jsonRows(file, columns) };
  }
  const columns = format.header ?? await csvHeader(file, format);
  const hasQuotes = format.header === undefined && columns.every((name) => /^".*"$/.test(name));
  if (hasQuotes && !isQuoted(format)) return await openFileRows(file, { ...format, quoted: true });
  return { columns, rows: () => csvRows(file, format, columns.length) };
}

/** Tables between tabs or `::` mostly quote nothing, and a quote in them is part of a title. */
function isQuoted({ delimiter, quoted }: FileFormat): boolean {
  return quoted ?? (delimiter !== "::" && delimiter !== "\t");
}

async function csvHeader(file: string, format: FileFormat): Promise<readonly string[]> {
  let broken: FileRow & { readonly reason?: string } | undefined;
  for await (const row of csvRows(file, { ...format, header: [] })) {
    // Rows that the parser skipped come before the rows of the same piece of the file.
    if ("reason" in row) {
      broken ??= row;
      continue;
    }
    if (broken !== undefined && broken.line < row.line) {
      throw new DatasetError(file, broken.line, `the header is broken: ${broken.reason}.`);
    }
    const names = row.cells.map(String);
    if (names.some((name) => name.includes("\0"))) {
      throw new DatasetError(
        file,
        1,
        "the header is no text. Unpack an archive, save a workbook as CSV, and give UTF-16 a byte " +
          "order mark.",
      );
    }
    const twice = names.find((name, i) => name !== "" && names.indexOf(name) !== i);
    if (twice === undefined) return names;
    throw new DatasetError(file, 1, `two columns are called "${twice}"; name them by --header.`);
  }
  throw new DatasetError(file, 1, "there is no header.");
}

/** @param width Cells of a whole row; 0 = any number. */
async function* csvRows(file: string, format: FileFormat, width = 0): AsyncGenerator<FileRow> {
  const { delimiter = ",", header, encoding } = format;
  const skipped: FileRow[] = [];
  /** Line on which the last row ended, whether it could be read or not. */
  let lastLine = 0;
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    quote: isQuoted(format) ? '"' : null,
    // A header that is written apart from its rows may end in another way than they do.
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_record(record, { lines }) {
      lastLine = lines;
      return record;
    },
    // Called for each fault of a row.
    on_skip(error) {
      const { lines: line = 0 } = (error ?? {}) as { readonly lines?: number };
      if (error === undefined || line === lastLine) return undefined;
      const reason = error.code === "CSV_QUOTE_NOT_CLOSED"
        ? `a quote after line ${lastLine} is not closed, so no row from there to line ${line} is read`
        : error.message;
      skipped.push({ line, cells: [], reason });
      lastLine = line;
      return undefined;
    },
    trim: true,
  });
  const source = Readable.from(readText(file, encoding));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  let isHeader = header === undefined;
  try {
    for await (const { record, info } of parser) {
      yield* skipped.splice(0);
      if (isHeader) {
        isHeader = false;
        continue;
      }
      const line: number = info.lines;
      if (width === 0 || record.length === width) yield { line, cells: record };
      else {
        const isNamed = format.quoted === true && record.length === width + 1;
        const reason = `the row has ${record.length} cells, and there are ${width} columns${
          isNamed ? "; if the first is a row name of R, write row.names = FALSE" : ""
        }`;
        yield { line, cells: record, reason };
      }
    }
    yield* skipped;
  } finally {
    source.destroy();
    parser.destroy();
  }
}

async function jsonColumns(file: string): Promise<string[]> {
  let first: Cell;
  async function* objects() {
    for await (const { rows, cells } of jsonObjects(file)) {
      if (rows !== undefined) yield rows;
      else first ??= cells[0];
    }
  }
  const columns = await columnsOfObjects(objects());
  if (columns.length > 0) return columns;
  const cure = String(first).trimStart().startsWith("[") ? listHint(file) : "";
  throw new DatasetError(file, 1, `no line holds a JSON object with fields.${cure}`);
}

async function* jsonRows(file: string, columns: readonly string[]): AsyncGenerator<FileRow> {
  for await (const { line, rows, cells } of jsonObjects(file)) {
    if (rows !== undefined) yield* fileRows(line, rows, columns);
    else yield { line, cells, reason: "the line is not a JSON object" };
  }
}

type JsonLine =
  | { readonly line: number; readonly rows: readonly ObjectFields[]; readonly cells?: undefined }
  | { readonly line: number; readonly rows?: undefined; readonly cells: readonly Cell[] };

async function* jsonObjects(file: string): AsyncGenerator<JsonLine> {
  for await (const { firstLine, lines } of readLines(file)) {
    for (let i = 0; i < lines.length; i++) {
      if (lines[i].trim() === "") continue;
      const rows = parsed(lines[i]);
      const line = firstLine + i;
      yield rows === undefined ? { line, cells: [lines[i]] } : { line, rows };
    }
  }
}

function parsed(text: string): ObjectFields[] | undefined {
  try {
    const value: unknown = LONG_NUMBER.test(text)
      ? JSON.parse(text, withAllDigits)
      : JSON.parse(text);
    return isObject(value) ? rowsOfObject(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Digits of a number that may be none of JavaScript's, such as an id of 64 bits. */
const LONG_NUMBER = /\d{16}/;

/** A whole number of more digits than JavaScript's numbers have is the text of them. */
function withAllDigits(_key: string, value: unknown, context?: { readonly source?: string }) {
  const text = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || text === undefined) return value;
  return /^-?\d+$/.test(text) ? text : value;
}
