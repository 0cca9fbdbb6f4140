/**
 * The options of `train` and `replay` that name a dataset, and opening it.
 */
import { type Command, Option } from "commander";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { ConfigurationOverrides } from "./configuration_overrides.ts";
import type { InteractionColumns } from "../offline/datasets/columns.ts";
import type { Dataset } from "../offline/datasets/dataset.ts";
import type { LabelledTable } from "../offline/datasets/labelled_table.ts";
import { type DatasetKind, datasetKinds, openDataset } from "../offline/datasets/open_dataset.ts";
import { delimiterOf, namesOf, numberBetween, wholeNumber } from "./options.ts";

/** The typed options. */
export interface DatasetFlags {
  readonly dataset: DatasetKind;
  readonly path: string;
  readonly action?: string;
  readonly labelAtLeast?: number;
  readonly limit?: number;
  readonly delimiter?: string;
  readonly header?: readonly string[];
  readonly userColumn?: string;
  readonly itemColumn?: string;
  readonly valueColumn?: string;
  readonly timeColumn?: string;
  readonly actionColumn?: string;
}

/** Adds the options. */
export function datasetOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--dataset <kind>", "how to read it").choices([...datasetKinds])
        .makeOptionMandatory(),
    )
    .requiredOption("--path <path>", "its folder (movietweetings, movielens) or file")
    .option("--action <name>", "what an interaction is called where the file does not say (rating)")
    .addOption(
      new Option(
        "--label-at-least <value>",
        "positive = a value of at least this, instead of the label rules",
      )
        .argParser(numberBetween(-1e15, 1e15)),
    )
    .addOption(
      new Option("--limit <rows>", "only the earliest interactions").argParser(
        wholeNumber(1, 2 ** 32),
      ),
    )
    .addOption(
      new Option("--delimiter <text>", "csv: between two fields, \\t for a tab (,)")
        .argParser(delimiterOf),
    )
    .addOption(
      new Option("--header <names>", "csv: the names of the columns, where the file has no header")
        .argParser(namesOf),
    )
    .option("--user-column <name>", "csv: the column with the user")
    .option("--item-column <name>", "csv: the column with the item")
    .option("--value-column <name>", "csv: the column with the rating, price, label, …")
    .option("--time-column <name>", "csv: the column with the time")
    .option("--action-column <name>", "csv: the column that says what was done");
}

/** Opens the dataset that was named; `path` replaces the flags' own. */
export function openNamedDataset(
  flags: DatasetFlags,
  configuration: CairnConfiguration,
  path = flags.path,
  table?: LabelledTable,
): Promise<Dataset> {
  return openDataset({
    kind: flags.dataset,
    path,
    schema: configuration.features.schema,
    columns: { ...namedRoles(flags), ...(table && { value: table.label }) },
    ...defined({
      action: flags.action,
      delimiter: flags.delimiter,
      header: flags.header,
      fields: table?.fields,
    }),
    examples: table !== undefined,
  });
}

/** The columns that were given a role. */
export function namedRoles(flags: DatasetFlags): InteractionColumns {
  return defined({
    user: flags.userColumn,
    item: flags.itemColumn,
    value: flags.valueColumn,
    time: flags.timeColumn,
    action: flags.actionColumn,
  });
}

/** The action of rows that name none. */
export const DEFAULT_ACTION = "rating";

/** The typed changes to the configuration. */
export function typedOverrides(
  flags: DatasetFlags & { readonly set: readonly string[]; readonly l2?: number },
  model?: ConfigurationOverrides["model"],
  table?: LabelledTable & { readonly l2?: number },
): ConfigurationOverrides {
  const { action = DEFAULT_ACTION, labelAtLeast: atLeast } = flags;
  return {
    assignments: flags.set,
    ...(model === undefined ? {} : { model }),
    ...(flags.l2 === undefined ? {} : { l2: flags.l2 }),
    ...(table === undefined ? {} : { table: { ...table, action } }),
    ...(atLeast === undefined ? {} : { positive: { action, atLeast } }),
  };
}

/** Without the entries that are undefined. */
function defined<T extends Record<string, unknown>>(
  entries: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
