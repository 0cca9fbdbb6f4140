/**
 * Opens the datasets that the command line knows, by name.
 */
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { InteractionColumns } from "./columns.ts";
import { openCsv } from "./csv.ts";
import type { Dataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { openJsonl } from "./jsonl.ts";
import { openLibsvm } from "./libsvm.ts";
import { openMovieLens } from "./movielens.ts";
import { openMovieTweetings } from "./movietweetings.ts";

export const datasetKinds = ["movietweetings", "movielens", "csv", "jsonl", "libsvm"] as const;

export type DatasetKind = typeof datasetKinds[number];

export interface DatasetOptions {
  readonly kind: DatasetKind;
  /** A folder for movietweetings and movielens, a file for the others (`.gz` is unpacked). */
  readonly path: string;
  /** The action of rows where the file names none. Default `rating`. */
  readonly action?: string;
  /** CSV only: column names by role. */
  readonly columns?: InteractionColumns;
  /** CSV only. Default `,`. */
  readonly delimiter?: string;
  /** CSV only: names of the columns of a file without a header. */
  readonly header?: readonly string[];
  /** CSV only: its attributes are read from the columns of the same name. */
  readonly schema?: FeatureSchema;
  /** libsvm only: number of indices per row, to read each position as a feature. */
  readonly fields?: number;
  /** CSV only: the rows are labelled examples without user and item. Default false. */
  readonly examples?: boolean;
}

/** Kinds that are published as several files. */
const inFolders: readonly DatasetKind[] = ["movietweetings", "movielens"];

/** @throws {DatasetError} When the file or folder is missing or of the wrong kind. */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { kind, path, action = "rating", columns, delimiter, header, schema, examples, fields } =
    options;
  await requireFileOrFolder(kind, path);
  switch (kind) {
    case "movietweetings":
      return await openMovieTweetings(path);
    case "movielens":
      return await openMovieLens(path);
    case "csv":
      return openCsv(path, action, {
        ...(columns === undefined ? {} : { columns }),
        ...(delimiter === undefined ? {} : { delimiter }),
        ...(header === undefined ? {} : { header }),
        ...(schema === undefined ? {} : { schema }),
        ...(examples === undefined ? {} : { examples }),
      });
    case "jsonl":
      return openJsonl(path, action);
    case "libsvm":
      return openLibsvm(path, action, fields);
    default:
      return kind satisfies never;
  }
}

/** A missing path is reported by the reader, which names the missing file. */
async function requireFileOrFolder(kind: DatasetKind, path: string): Promise<void> {
  const found = await Deno.stat(path).catch(() => undefined);
  if (found === undefined || found.isDirectory === inFolders.includes(kind)) return;
  throw new DatasetError(
    path,
    undefined,
    found.isDirectory
      ? `it is a folder; ${kind} is read from a file: give the one that the folder holds.`
      : `it is a file; ${kind} is read from the folder that its archive unpacks to: give that one` +
        ", or name the format of the file by --dataset csv, jsonl or libsvm.",
  );
}
