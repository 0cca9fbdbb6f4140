/**
 * Tables with a header: CSV with quotes, or with another delimiter.
 */
import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import {
  allAttributeColumns,
  attributeColumns,
  delimiterHint,
  type InteractionColumns,
  namedColumns,
  resolveColumns,
  rowFields,
} from "./columns.ts";
import { ChunkBuilder, type Dataset, type InteractionChunk } from "./dataset.ts";
import { DatasetError, numberAt, shown } from "./errors.ts";
import { labelAt } from "./labelled_table.ts";
import { readText, requireFile } from "./lines.ts";
import { timeAt } from "./times.ts";

/** Layout of the table. */
export interface CsvFormat {
  /** Default `,`. */
  readonly delimiter?: string;
  /** Names of the columns of a file that has no header. Default: its first line has them. */
  readonly header?: readonly string[];
}

export interface CsvOptions extends CsvFormat {
  readonly columns?: InteractionColumns;
  /** Columns with the names of its attributes become attributes. */
  readonly schema?: FeatureSchema;
  /**
   * The rows are labelled examples, not interactions: no column gets a role by its usual name, and
   * every column that the schema reads must be there. Default false.
   */
  readonly examples?: boolean;
}

export function openCsv(file: string, action: string, options: CsvOptions): Dataset {
  return {
    name: "csv",
    action,
    users: new Map(),
    items: new Map(),
    interactions: () => readCsvInteractions(file, options),
  };
}

export async function* readCsvInteractions(
  file: string,
  options: CsvOptions,
): AsyncGenerator<InteractionChunk> {
  const chunk = new ChunkBuilder();
  let addRow: ((cells: readonly string[], line: number) => void) | undefined;
  for await (const { line, cells } of readCsvRows(file, options)) {
    if (addRow === undefined) addRow = rowReader(chunk, cells, file, options);
    else addRow(cells, line);
    if (chunk.full) yield chunk.take();
  }
  if (chunk.rows > 0) yield chunk.take();
}

/** Reads the rows below this header. */
function rowReader(
  chunk: ChunkBuilder,
  header: readonly string[],
  file: string,
  { columns: wanted = {}, schema, examples = false }: CsvOptions,
) {
  const columns = (examples ? namedColumns : resolveColumns)(header, wanted, file);
  const attributes = examples
    ? allAttributeColumns(header, schema, columns, file)
    : attributeColumns(header, schema);
  const indexOf = (column: string | undefined) =>
    column === undefined ? -1 : header.indexOf(column);
  const [user, item, value, time, action] = [
    indexOf(columns.user),
    indexOf(columns.item),
    indexOf(columns.value),
    indexOf(columns.time),
    indexOf(columns.action),
  ];
  const valueAt = examples ? labelAt : numberAt;
  return (cells: readonly string[], line: number) => {
    const fields = attributes.length === 0 && action < 0
      ? undefined
      : rowFields(cells, attributes, cells[action], file, line);
    chunk.add(
      cells[user] ?? "",
      cells[item] ?? "",
      value < 0 ? NaN : valueAt(cells[value], file, line, `column ${columns.value}`),
      time < 0 ? 0 : timeAt(cells[time], file, line),
      fields,
    );
  };
}

/** The beginning of a table. */
export interface CsvStart {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * The names of the columns, and the first rows.
 *
 * @throws {DatasetError} When the file cannot be read, or has no header.
 */
export async function readCsvStart(
  file: string,
  format: CsvFormat,
  rowsMax: number,
): Promise<CsvStart> {
  const lines: (readonly string[])[] = [];
  for await (const { cells } of readCsvRows(file, format)) {
    lines.push(cells);
    if (lines.length > rowsMax) break;
  }
  const [header, ...rows] = lines;
  if (header === undefined) throw new DatasetError(file, 1, "there is no header.");
  return { header, rows };
}

/**
 * Trimmed column names. A repeated name is refused, because it would hide a column; a column may
 * have no name.
 */
function columnNames(header: readonly string[], file: string): string[] {
  const names = header.map((name) => name.trim());
  const instead = () =>
    `If the first line is values already, name the columns: --header label,${
      names.slice(1).map((_, i) => `c${i + 1}`).join(",")
    }`;
  const areIndices = names.every((name, i) => name === String(i));
  if (names.length > 1 && !areIndices && names.every((name) => !Number.isNaN(Number(name)))) {
    throw new DatasetError(
      file,
      1,
      `its columns would be called ${
        names.slice(0, 3).join(", ")
      }, …, which are numbers. ${instead()}`,
    );
  }
  const twice = names.find((name, i) => name !== "" && names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new DatasetError(
    file,
    1,
    `two columns are called ${shown(twice)}; give each a name of its own. ${instead()}`,
  );
}

/** The header's names, then the cells of each row, with the line that it ends on. */
export async function* readCsvRows(
  file: string,
  { delimiter = ",", header: named }: CsvFormat = {},
): AsyncGenerator<{ readonly line: number; readonly cells: readonly string[] }> {
  await requireFile(file);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    relax_column_count: true, // the names may have been typed: rows are compared with them below
    skip_empty_lines: true,
  });
  const source = Readable.from(readText(file));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  let header = named;
  try {
    if (header !== undefined) yield { line: 0, cells: header };
    for await (const { record, info } of parser) {
      if (header === undefined) {
        yield { line: info.lines, cells: header = columnNames(record, file) };
      } else if (record.length === header.length) yield { line: info.lines, cells: record };
      else {
        throw new DatasetError(
          file,
          info.lines,
          `the row has ${record.length} cells, and the header names ${header.length} columns.${
            delimiterHint(record)
          }`,
        );
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { lines } = error as CsvError & { lines?: number };
    throw new DatasetError(file, lines, `${error.message}.`, error);
  } finally {
    source.destroy();
    parser.destroy();
  }
}
