/**
 * `cairn import`: reads the history of a shop or a service into a data directory, from which `cairn
 * serve` then starts with a trained model.
 */
import { Command, Option } from "commander";
import type { DecimalSign } from "../../offline/datasets/numbers.ts";
import type { DateOrder } from "../../offline/datasets/times.ts";
import type { Output } from "../command_line.ts";
import {
  configOption,
  delimiterOf,
  jsonOption,
  namesOf,
  numberBetween,
  setOption,
  wholeNumber,
} from "../options.ts";

/** The typed options. */
export interface ImportFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly items?: string;
  readonly users?: string;
  readonly impressions?: string;
  readonly events?: string;
  readonly preset?: "movielens" | "movietweetings";
  readonly path?: string;
  readonly action?: string;
  readonly labelAtLeast?: number;
  readonly map: readonly string[];
  readonly split: readonly string[];
  readonly delimiter?: string;
  readonly header?: readonly string[];
  readonly decimal?: DecimalSign;
  readonly dates?: DateOrder;
  readonly zone?: string;
  readonly until?: string;
  readonly negatives?: number;
  readonly seen: number;
  readonly refused?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const examples = `
The files are CSV, JSON Lines (.jsonl, .ndjson), both also packed (.gz), or Parquet. The first line of a CSV file
names its columns. Cairn proposes the meaning of each column and says why; --map changes it:

  events       user, item, time, day, action, value, ranking, visit, event (its id),
               item.<attribute>, user.<attribute>, context.<attribute>
  impressions  ranking, user, item (one, or a list), time, day, context.<attribute>, user.<attribute>
  items        id, item.<attribute>
  users        id, user.<attribute>

Everything goes through the joiner with its own times, so that windows, labels and features are
those of live traffic. Events without a ranking get one; if nearly all events are positive, as in a
table of purchases, it also gets sampled negatives (--negatives), with a correction of the loss.

Examples:
  # what would be read, without writing anything
  deno task cairn import --config shop.yaml --events orders.csv.gz --action purchase --dry-run

  deno task cairn import --config shop.yaml --items items.jsonl --events orders.csv.gz \\
      --action purchase --map StockCode=item --map 'UnitPrice=item.price' --refused refused.jsonl
  deno task cairn serve --config shop.yaml

  deno task cairn import --config my.yaml --preset movielens --path <folder> --label-at-least 4

The same command goes on where an interrupted import stopped.`;

/** The command; its work is loaded when it runs. */
export function importCommand(output: Output): Command {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  return new Command("import")
    .description("read items, users, rankings and events of the past into a data directory")
    .addOption(configOption("examples/shop.yaml"))
    .addOption(setOption())
    .option("--items <file>", "attributes of items")
    .option("--users <file>", "attributes of users")
    .option("--impressions <file>", "rankings as they were shown")
    .option("--events <file>", "clicks, purchases, ratings, …")
    .addOption(
      new Option("--preset <dataset>", "read a published dataset instead of single files")
        .choices(["movielens", "movietweetings"]),
    )
    .option("--path <folder>", "the folder of --preset")
    .option("--action <name>", "the action of events where the file names none (rating)")
    .addOption(
      new Option(
        "--label-at-least <value>",
        "positive = a value of at least this, instead of the label rules; serve needs the same rule",
      ).argParser(numberBetween(-1e15, 1e15)),
    )
    .addOption(
      new Option("--map <column=meaning>", "the meaning of a column (repeatable)")
        .argParser(collect).default([], "proposed"),
    )
    .addOption(
      new Option("--split <column=text>", "text between two values of a list (repeatable)")
        .argParser(collect).default([], "|"),
    )
    .addOption(
      new Option("--delimiter <text>", "CSV: between two cells, \\t for a tab (,)")
        .argParser(delimiterOf),
    )
    .addOption(
      new Option("--header <names>", "CSV: names of the columns of a file without a header")
        .argParser(namesOf),
    )
    .addOption(
      new Option("--decimal <sign>", "the sign before decimals, in numbers such as 3,50 or 1,234")
        .choices([",", "."]),
    )
    .addOption(
      new Option("--dates <order>", "the order of dates such as 12/1/2010 8:26")
        .choices(["day/month/year", "month/day/year"]),
    )
    .option("--zone <name>", "the zone of times without one, such as Europe/Berlin (UTC)")
    .option("--until <time>", "only events and rankings before this time")
    .addOption(
      new Option(
        "--negatives <count>",
        "sampled negatives per item of an event without a ranking (4 if nearly all are positive, " +
          "else 0)",
      ).argParser(wholeNumber(0, 100)),
    )
    .addOption(
      new Option(
        "--seen <count>",
        "items that a user is assumed to have seen per visit, for the correction of sampled " +
          "negatives",
      ).argParser(wholeNumber(2, 100_000)).default(50),
    )
    .option("--refused <file>", "write the rows that cannot be used, with reasons, as JSON Lines")
    .option("--dry-run", "read and check the files, and write nothing else")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (flags: ImportFlags) => {
      const { runImport } = await import("./import.ts");
      await runImport(flags, output);
    });
}
