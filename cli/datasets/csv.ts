/**
 * Tables with a header: CSV with quotes, or with another delimiter.
 */
import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import {
  allAttributeColumns,
  attributeColumns,
  type InteractionColumns,
  namedColumns,
  resolveColumns,
  rowFields,
  timeAt,
} from "./columns.ts";
import { ChunkBuilder, type Dataset, type InteractionChunk } from "./dataset.ts";
import { DatasetError, numberAt, shown } from "./errors.ts";
import { labelAt } from "./labelled_table.ts";
import { readText } from "./lines.ts";

export interface CsvOptions {
  readonly columns?: InteractionColumns;
  /** Default `,`. */
  readonly delimiter?: string;
  /** Columns with the names of its attributes become attributes. */
  readonly schema?: FeatureSchema;
  /**
   * The rows are labelled examples rather than what somebody did to an item: no column has a role by its usual name,
   * and none that the schema reads may be missing. Default false.
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
  let columns: ReturnType<typeof resolveColumns> | undefined;
  let attributes: ReturnType<typeof attributeColumns> = [];
  for await (const { line, record } of readCsvRecords(file, options.delimiter)) {
    if (columns === undefined) {
      const header = Object.keys(record);
      const { columns: wanted = {}, schema, examples = false } = options;
      columns = (examples ? namedColumns : resolveColumns)(header, wanted, file);
      attributes = examples
        ? allAttributeColumns(header, schema, columns, file)
        : attributeColumns(header, schema);
    }
    const { user, item, value, time, action } = columns;
    const fields = attributes.length === 0 && action === undefined
      ? undefined
      : rowFields(record, attributes, action && record[action], file, line);
    chunk.add(
      user === undefined ? "" : record[user],
      item === undefined ? "" : record[item],
      value === undefined
        ? NaN
        : options.examples
        ? labelAt(record[value], file, line, value)
        : numberAt(record[value], file, line, `column ${value}`),
      time === undefined ? 0 : timeAt(record[time], file, line),
      fields,
    );
    if (chunk.full) yield chunk.take();
  }
  if (chunk.rows > 0) yield chunk.take();
}

/**
 * The names of the columns.
 *
 * @throws {DatasetError} The file cannot be read, or has no row below its header.
 */
export async function readCsvHeader(file: string, delimiter?: string): Promise<readonly string[]> {
  for await (const { record } of readCsvRecords(file, delimiter)) return Object.keys(record);
  throw new DatasetError(file, 1, "there is no row below the header.");
}

/** Without the blanks around them; a name that is there twice would hide a column. */
function columnNames(header: readonly string[], file: string): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new DatasetError(
    file,
    1,
    `two columns are called ${shown(twice)}; give each a name of its own.`,
  );
}

/** Each record by its header's names, with the line that it ends on. */
export async function* readCsvRecords(
  file: string,
  delimiter = ",",
): AsyncGenerator<{ readonly line: number; readonly record: Readonly<Record<string, string>> }> {
  const parser = parse({
    bom: true,
    columns: (header: string[]) => columnNames(header, file),
    delimiter,
    info: true,
    skip_empty_lines: true,
  });
  const source = Readable.from(readText(file));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { record, info } of parser) yield { line: info.lines, record };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = (error as { lines?: number }).lines;
    throw new DatasetError(file, line, `${error.message}.`, error);
  } finally {
    source.destroy();
    parser.destroy();
  }
}
