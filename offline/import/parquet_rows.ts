/**
 * Rows of a Parquet file, with their numbers from 1 in place of lines.
 */
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { DatasetError } from "../datasets/errors.ts";
import type { Cell, FileRow, FileRows } from "./file_rows.ts";

/** Rows that are decoded together: a group of rows of a file may hold millions. */
const ROWS_MAX = 50_000;

/**
 * Opens a Parquet file.
 *
 * @throws {DatasetError} When the file cannot be read or is not Parquet.
 * @see https://parquet.apache.org/docs/file-format/
 */
export async function openParquetRows(path: string): Promise<FileRows> {
  const { file, metadata } = await open(path);
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  return { columns, rows: () => parquetRows(path, file, metadata) };
}

type ParquetFile = Awaited<ReturnType<typeof asyncBufferFromFile>>;

async function open(
  path: string,
): Promise<{ readonly file: ParquetFile; readonly metadata: FileMetaData }> {
  let file: ParquetFile;
  try {
    file = await asyncBufferFromFile(path);
  } catch (error) {
    throw new DatasetError(path, 1, `it cannot be read (${(error as Error).message}).`);
  }
  try {
    return { file, metadata: await parquetMetadataAsync(file) };
  } catch (error) {
    throw new DatasetError(path, 1, `it is not a Parquet file (${(error as Error).message}).`);
  }
}

async function* parquetRows(
  path: string,
  file: ParquetFile,
  metadata: FileMetaData,
): AsyncGenerator<FileRow> {
  let first = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = first + Number(num_rows);
    for (; first < end; first += ROWS_MAX) {
      const rowEnd = Math.min(first + ROWS_MAX, end);
      const rows = await readRows(path, { file, metadata, rowStart: first, rowEnd });
      for (let i = 0; i < rows.length; i++) {
        yield { line: first + i + 1, cells: rows[i].map(cellOf) };
      }
    }
    first = end;
  }
}

async function readRows(
  path: string,
  part: Pick<Parameters<typeof parquetRead>[0], "file" | "metadata" | "rowStart" | "rowEnd">,
): Promise<readonly (readonly unknown[])[]> {
  let rows: readonly (readonly unknown[])[] = [];
  try {
    await parquetRead({
      ...part,
      compressors,
      onComplete: (read) => void (rows = read as unknown[][]),
    });
  } catch (error) {
    const line = (part.rowStart ?? 0) + 1;
    throw new DatasetError(path, line, `the row cannot be read (${(error as Error).message}).`);
  }
  return rows;
}

/** A value of Parquet as JSON would have it. */
function cellOf(value: unknown): Cell {
  if (value === null) return undefined;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof Date) return value.toISOString();
  return Array.isArray(value) ? value.map(cellOf) : value;
}
