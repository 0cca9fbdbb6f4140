/**
 * The files of an import, opened, with the mapping of their columns.
 */
import { join } from "node:path";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { openDataset } from "../../offline/datasets/open_dataset.ts";
import type { History } from "../../offline/import/history.ts";
import {
  type FileFormat,
  type FileRows,
  formatOf,
  openFileRows,
} from "../../offline/import/file_rows.ts";
import {
  describeMapping,
  type MappedColumn,
  proposeMapping,
  type TypedMapping,
} from "../../offline/import/mapping.ts";
import type { FileContent } from "../../offline/import/roles.ts";
import { CommandError, usageError } from "../errors.ts";
import type { ImportFlags } from "./command.ts";

/** A file with its mapping. */
export interface ImportSource {
  readonly file: string;
  readonly content: FileContent;
  readonly bytes: number;
  readonly rows: FileRows;
  readonly mapping: readonly MappedColumn[];
}

interface NamedFile {
  readonly file: string;
  readonly content: FileContent;
  readonly format: FileFormat;
}

/** Forms in which rating datasets are published, by the file that each of them has. */
const presetFiles: Readonly<Record<NonNullable<ImportFlags["preset"]>, readonly NamedFile[]>> = {
  movielens: [
    { file: "ratings.csv", content: "events", format: { kind: "csv" } },
    { file: "ratings.dat", content: "events", format: ratingsFormat("::") },
    { file: "u.data", content: "events", format: ratingsFormat("\t") },
  ],
  movietweetings: [{ file: "ratings.dat", content: "events", format: ratingsFormat("::") }],
};

function ratingsFormat(delimiter: string): FileFormat {
  return { kind: "csv", delimiter, header: ["user", "item", "rating", "timestamp"] };
}

/**
 * Opens the named files, items and users first.
 *
 * @throws {CommandError} When no file is named, or options do not fit together.
 * @throws {DatasetError} When a file cannot be read or its columns have no meaning.
 */
export async function openSources(
  flags: ImportFlags,
  configuration: CairnConfiguration,
): Promise<ImportSource[]> {
  const typed = typedMapping(flags);
  const { features: { schema }, gateway: { attributeTypes: declared } } = configuration;
  const files = await Promise.all(
    (await namedFiles(flags)).map(async ({ file, content, format }) => {
      const rows = await openFileRows(file, format);
      return { file, content, rows, columns: rows.columns, bytes: (await Deno.stat(file)).size };
    }),
  );
  const sources = files.map((file) => ({
    ...file,
    mapping: proposeMapping({ ...file, schema, declared, typed, files }),
  }));
  requireColumns(typed, sources);
  return sources;
}

/** Adds the attributes of a published dataset to the history. */
export async function addPresetProfiles(flags: ImportFlags, history: History): Promise<void> {
  const { preset, path } = flags;
  if (preset === undefined || path === undefined) return;
  const { users, items } = await openDataset({ kind: preset, path });
  for (const [id, attributes] of users) history.profiles.user.set(id, attributes);
  for (const [id, attributes] of items) history.profiles.item.set(id, attributes);
}

/** The sources as text: each file, and the meaning of its columns. */
export function describeSources(sources: readonly ImportSource[]): string {
  return sources.map(({ file, content, mapping }) =>
    `${file}: ${content}\n${describeMapping(content, mapping)}`
  ).join("");
}

async function namedFiles(flags: ImportFlags): Promise<NamedFile[]> {
  const { preset, path } = flags;
  const contents = ["items", "users", "impressions", "events"] as const;
  const named = contents.flatMap((content) => {
    const file = flags[content];
    return file === undefined ? [] : [{ file, content, format: withTyped(formatOf(file), flags) }];
  });
  if (preset === undefined) {
    if (path !== undefined) throw usageError("--path names the folder of a --preset; name one.");
    if (named.length > 0) return named;
    throw usageError("Name a file to import: --items, --users, --impressions or --events.");
  }
  if (named.length > 0 || path === undefined) {
    throw usageError(`--preset ${preset} needs --path <folder>, and no other files.`);
  }
  for (const { file, ...rest } of presetFiles[preset]) {
    const found = join(path, file);
    const exists = await Deno.stat(found).then(({ isFile }) => isFile, () => false);
    if (exists) return [{ file: found, ...rest }];
  }
  const files = presetFiles[preset].map(({ file }) => file).join(" or ");
  throw new CommandError(`There is no ${files} in ${path}; name the unpacked folder by --path.`);
}

function withTyped(format: FileFormat, { delimiter, header }: ImportFlags): FileFormat {
  return {
    ...format,
    ...(delimiter !== undefined && { delimiter }),
    ...(header !== undefined && { header }),
  };
}

function typedMapping({ map, split }: ImportFlags): TypedMapping {
  const pairs = (option: string, texts: readonly string[]) =>
    new Map(texts.map((text) => {
      const at = text.indexOf("=");
      if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
      throw usageError(`${option} ${text} is not an assignment; write '<column>=<meaning>'.`);
    }));
  return { targets: pairs("--map", map), separators: pairs("--split", split) };
}

function requireColumns(typed: TypedMapping, sources: readonly ImportSource[]): void {
  const columns = new Set(sources.flatMap(({ rows }) => rows.columns));
  for (const column of [...typed.targets.keys(), ...typed.separators.keys()]) {
    if (columns.has(column)) continue;
    throw usageError(
      `No file has a column "${column}"; the columns are ${[...columns].join(", ")}.`,
    );
  }
}
