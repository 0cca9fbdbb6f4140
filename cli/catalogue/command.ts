/**
 * `cairn items` and `cairn users`: loads, lists and exports stored attributes, of a server or of a
 * data directory.
 */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { parseDurationMs } from "../../configuration/units.ts";
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import type { Output } from "../command_line.ts";
import { jsonOption, wholeNumber } from "../options.ts";

/** The typed options that name the catalogue. */
export interface CatalogueFlags {
  readonly url: string;
  readonly apiKey?: string;
  readonly data?: string;
}

/** The typed options of `load`. */
export interface LoadFlags extends CatalogueFlags {
  readonly refused?: string;
  readonly json?: true;
}

/** The typed options of `list` and `export`. */
export interface ReadFlags extends CatalogueFlags {
  /** Only profiles that were not written for this time, ms. */
  readonly stale?: number;
}

/** The typed options of `list`. */
export interface ListFlags extends ReadFlags {
  readonly limit: number;
  readonly json?: true;
}

/** The typed options of `export`. */
export interface ExportFlags extends ReadFlags {
  readonly out?: string;
}

const loadHelp = (kind: ProfileKind) => `
Each line of the file is a JSON object, as export writes it; .gz is unpacked:

  {"id": "${kind}-1", "attributes": {"year": 1994, "genres": ["drama", "crime"]}}

Attributes replace those that were stored. A refused line does not stop the others; the command then
exits 1 and --refused has each such line with its reason. A server checks the types that its features
and rules read; a data directory does not know them.

Examples:
  deno task cairn ${kind}s load ${kind}s.jsonl --refused refused.jsonl
  deno task cairn ${kind}s load ${kind}s.jsonl.gz --data data`;

const readHelp = (kind: ProfileKind) => `
Examples:
  deno task cairn ${kind}s list --stale 30d
  deno task cairn ${kind}s export --out ${kind}s.jsonl
  deno task cairn ${kind}s export --data data --stale 30d`;

/** The group of commands of one kind; their work is loaded when one runs. */
export function catalogueCommand(kind: ProfileKind, output: Output): Command {
  return new Command(`${kind}s`)
    .description(`load, list and export the stored attributes of ${kind}s`)
    .addCommand(
      ofCatalogue(new Command("load"))
        .description(`store the attributes of a file of ${kind}s`)
        .addArgument(new Argument("<file>", "JSON Lines"))
        .option("--refused <file>", "write refused lines with their reasons to this file")
        .addOption(jsonOption())
        .addHelpText("after", loadHelp(kind))
        .action(async (file: string, flags: LoadFlags) => {
          const { loadCommand } = await import("./load.ts");
          await loadCommand(kind, file, flags, output);
        }),
    )
    .addCommand(
      ofCatalogue(new Command("list"))
        .description(`show and count stored ${kind}s`)
        .addOption(staleOption(kind))
        .addOption(
          new Option("--limit <n>", "show at most this many")
            .argParser(wholeNumber(0, 1_000_000_000)).default(20),
        )
        .addOption(jsonOption())
        .addHelpText("after", readHelp(kind))
        .action(async (flags: ListFlags) => {
          const { listCommand } = await import("./list.ts");
          await listCommand(kind, flags, output);
        }),
    )
    .addCommand(
      ofCatalogue(new Command("export"))
        .description(`write all stored ${kind}s as JSON Lines`)
        .addOption(staleOption(kind))
        .option("--out <file>", "write to this file; it appears when it is complete (stdout)")
        .addHelpText("after", readHelp(kind))
        .action(async (flags: ExportFlags) => {
          const { exportCommand } = await import("./export.ts");
          await exportCommand(kind, flags, output);
        }),
    );
}

/** Adds the options that name the catalogue. */
function ofCatalogue(command: Command): Command {
  return command
    .option("--url <url>", "a server", "http://localhost:8080")
    .option("--api-key <key>", "for --url")
    .addOption(
      new Option("--data <folder>", "the data directory of a stopped server, in place of --url")
        .conflicts("apiKey"),
    );
}

function staleOption(kind: ProfileKind): Option {
  return new Option("--stale <duration>", `only ${kind}s that were not written for this time: 30d`)
    .argParser((text) => {
      const ms = parseDurationMs(text);
      if (ms !== undefined && ms > 0) return ms;
      throw new InvalidArgumentError("Give a duration like 12h or 30d.");
    });
}
