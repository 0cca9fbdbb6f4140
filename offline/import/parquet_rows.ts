/**
 * Rows of a Parquet file, with their numbers from 1 in place of lines.
 */
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type DecodedArray,
  type ParquetScan,
  parquetScan,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { DatasetError } from "../datasets/errors.ts";
import type { Cell, FileRows } from "./file_rows.ts";
import { columnsOfObjects, fileRows, type ObjectFields, rowsOfObject } from "./object_fields.ts";

/**
 * Opens a Parquet file. Its rows are decoded once, a row group at a time, which is held in memory.
 *
 * @param openFile Opens the bytes of a file.
 * @throws {DatasetError} When the file cannot be read or is not Parquet.
 * @see https://parquet.apache.org/docs/file-format/
 */
export async function openParquetRows(
  path: string,
  openFile: (path: string) => Promise<AsyncBuffer> = asyncBufferFromFile,
): Promise<FileRows> {
  const scan = await open(path, openFile);
  const objects = () => parquetObjects(path, scan);
  const found = await columnsOfObjects(objects());
  const columns = found.length > 0 ? found : topColumns(scan);
  return {
    columns,
    async *rows() {
      let line = 0;
      for await (const rows of objects()) yield* fileRows(++line, rows, columns);
    },
  };
}

function topColumns({ metadata }: ParquetScan): string[] {
  return parquetSchema(metadata).children.map(({ element }) => element.name);
}

async function open(
  path: string,
  openFile: (path: string) => Promise<AsyncBuffer>,
): Promise<ParquetScan> {
  let file: AsyncBuffer;
  try {
    file = await openFile(path);
  } catch (error) {
    throw new DatasetError(path, 1, `it cannot be read (${(error as Error).message}).`);
  }
  try {
    return await parquetScan({ file, compressors });
  } catch (error) {
    throw new DatasetError(path, 1, `it is not a Parquet file (${(error as Error).message}).`);
  }
}

async function* parquetObjects(path: string, scan: ParquetScan): AsyncGenerator<ObjectFields[]> {
  const columns = topColumns(scan);
  for (const range of scan.ranges) {
    const values: (readonly [string, DecodedArray])[] = [];
    for (const column of columns) {
      try {
        values.push([column, await scan.readColumn({ column, ...range })]);
      } catch (error) {
        const line = range.rowStart + 1;
        throw new DatasetError(
          path,
          line,
          `from this row on column "${column}" cannot be read (${(error as Error).message}).`,
        );
      }
    }
    for (let row = 0; row < range.rowEnd - range.rowStart; row++) {
      yield rowsOfObject(
        Object.fromEntries(values.map(([column, cells]) => [column, cellOf(cells[row])])),
      );
    }
  }
}

/** A value of Parquet as JSON would have it. */
function cellOf(value: unknown): Cell {
  if (value === null) return undefined;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  if (Array.isArray(value)) return value.map(cellOf);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cellOf(inner)]));
}
