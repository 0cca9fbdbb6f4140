/**
 * Finds out whether a file of `cairn train` holds interactions or a table of labelled examples, and
 * whether a model can learn from it.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DEFAULT_ACTION, namedRoles } from "../dataset_options.ts";
import { describeRules } from "../label_rules.ts";
import type { TrainFlags } from "./command.ts";
import { delimiterHint, saysWhatWasDone, timeColumns } from "../../offline/datasets/columns.ts";
import { readCsvStart } from "../../offline/datasets/csv.ts";
import { DatasetError } from "../../offline/datasets/errors.ts";
import type { ExampleTable } from "../../offline/datasets/example_table.ts";
import {
  type LabelledTable,
  labelledTable,
  libsvmTable,
  rowNumbersOf,
  usualLabelsOf,
} from "../../offline/datasets/labelled_table.ts";
import { uniformFields } from "../../offline/datasets/libsvm.ts";
import { usageError } from "../errors.ts";
import { configures } from "../load_configuration.ts";
import { bundledFile } from "../options.ts";

/** The way a file is read. */
export interface TrainingSource {
  /** Absent where the file holds interactions. */
  readonly table?: LabelledTable;
  /** The configuration: the named one, or a default that fits the file. */
  readonly config: string;
  /** Whether the configuration names the features of a table. */
  readonly configured: boolean;
}

/** Default L2 of tables of up to 200,000 examples. */
const L2_MAX = 0.05;
/**
 * Standard deviation of an embedding's values before training; the configuration's initializer has
 * the same.
 */
const PRIOR_STDDEV = 0.01;

/**
 * L2 on the embeddings of a table with this many examples. The penalty on the mean loss that
 * corresponds to a normal prior of this deviation is 1 / (deviation² · examples): the weight of a
 * prior falls with the number of examples. For Frappe's 200,000 examples it equals the tuned value;
 * larger values were not measured.
 *
 * @see MacKay, "A Practical Bayesian Framework for Backpropagation Networks", Neural Computation
 * 1992
 */
export function l2OfTable(examples: number): number {
  const strength = 1 / (PRIOR_STDDEV ** 2 * examples);
  return Math.min(L2_MAX, Number(strength.toPrecision(2)));
}

/** Rows of a table that are read to find the kinds of its columns. */
const ROWS_LOOKED_AT = 100;

/** The kind of the file's content, and the configuration to use where none was named. */
export async function sourceOf(flags: TrainFlags): Promise<TrainingSource> {
  const movies = {
    config: flags.config ?? bundledFile("examples/movies.yaml"),
    configured: true,
  };
  const named = [flags.labelColumn, flags.features, flags.numeric].some((typed) =>
    typed !== undefined
  );
  if (flags.dataset !== "csv" && named) {
    throw usageError("--label-column, --features and --numeric are for --dataset csv.");
  }
  const configured = flags.config !== undefined && await configures(flags.config, "features");
  if (configured && flags.numeric !== undefined && flags.features === undefined) {
    throw usageError(
      `--numeric is for columns that are read as they are, and ${flags.config} configures features: give the ` +
        "column's feature the kind numeric there, or name the columns to read by --features.",
    );
  }
  if (flags.dataset === "libsvm") {
    // A file that cannot be read is reported by the reader of the whole file.
    const fields = configured ? undefined : await uniformFields(flags.path).catch(() => undefined);
    return {
      table: libsvmTable(fields),
      config: flags.config ?? bundledFile("examples/categorical.yaml"),
      configured,
    };
  }
  if (flags.dataset !== "csv") return movies;
  const roles = Object.values(namedRoles(flags));
  // Configured features or a named role decide how to read the file.
  if (!named && (configured || roles.length > 0)) return movies;
  const start = await readCsvStart(flags.path, flags, ROWS_LOOKED_AT).catch((error) => {
    // A file that cannot be read is reported by the reader of the whole file, after the errors in
    // the options.
    if (named || !(error instanceof DatasetError) || error.line !== undefined) throw error;
    return undefined;
  });
  if (start === undefined) return movies;
  const { header } = start;
  const label = flags.labelColumn ?? labelOf(flags.path, header);
  if (label === undefined) {
    if (!named && saysWhatWasDone(header)) return movies;
    throw new DatasetError(
      flags.path,
      1,
      `no column is called like a label (${header.join(", ")}); name it by --label-column.${
        delimiterHint(header)
      }`,
    );
  }
  const { features, numeric } = flags;
  return {
    table: labelledTable(flags.path, start, label, {
      ...(features === undefined ? {} : { features }),
      ...(numeric === undefined ? {} : { numeric }),
      others: roles,
    }),
    config: flags.config ?? bundledFile("examples/categorical.yaml"),
    configured: configured && features === undefined,
  };
}

/**
 * @throws {DatasetError} When several columns could be the label: the other ones would give away
 * the label.
 */
function labelOf(file: string, header: readonly string[]): string | undefined {
  const [label, ...others] = usualLabelsOf(header);
  if (others.length === 0) return label;
  const rest = header.filter((name) => name !== "" && name !== label && !others.includes(name));
  throw new DatasetError(
    file,
    1,
    `the label may be ${
      [label, ...others].join(" or ")
    }; say which, and what to predict it from: ` +
      `--label-column ${label} --features ${rest.join(",")}`,
  );
}

/** Says which label is predicted from which columns, and warns of likely mistakes. */
export function describeTable(
  path: string,
  { table, config, configured }: TrainingSource,
  { features: { schema } }: CairnConfiguration,
): string {
  if (table === undefined) return "";
  const { label, columns, kinds, numbers, unnamed } = table;
  const read = [...schema.slots, ...schema.dense].map(({ name }) => name);
  const names = [...new Set(read)]
    .map((name) => Object.hasOwn(kinds, name) ? `${name} (a ${kinds[name]})` : name).join(", ");
  const whose = configured ? ` (features of ${config})` : "";
  const categories = numbers.filter((name) => read.includes(name)).join(",");
  const without = (column: string) => columns.filter((name) => name !== column).join(",");
  const hints = [
    ...unnamed.map((index) =>
      `column ${index} has no name, as numbers of rows that a tool wrote: it is left out`
    ),
    ...rowNumbersOf(read).map((column) =>
      `${column} may be the number of a row: --features ${without(column)} leaves it out`
    ),
    ...(categories === "" || configured ? [] : [
      `each value of ${categories} is a category: --numeric ${categories} tells numbers apart by size`,
    ]),
    ...timeColumns(columns).filter((column) => read.includes(column)).map((column) =>
      `${column} is a category like the others; --label-column ${label} --time-column ${column} makes it the ` +
      "order of the examples, of which the newest are held back"
    ),
  ];
  return [`${path}: labelled examples, ${label} from ${names}${whose}`, ...hints]
    .map((line) => `${line}\n`).join("");
}

/** Says which configuration and which label rules turn interactions into examples. */
export function describeLabels(
  path: string,
  config: string,
  { joiner: { tasks } }: CairnConfiguration,
): string {
  return `${path}: interactions, features and labels of ${config}: ${describeRules(tasks)}\n`;
}

/**
 * Requires both labels in a file: with only one of them nothing can be learned or measured.
 *
 * @throws {CommandError} When the first task's labels are all the same.
 */
export function requireBothLabels(
  { path, action = DEFAULT_ACTION }: { readonly path: string; readonly action?: string },
  { rows, labels }: ExampleTable,
  { model, joiner }: CairnConfiguration,
  table: LabelledTable | undefined,
): void {
  if (model.tasks?.[0].loss === "squaredError") return;
  const tasks = joiner.tasks.length;
  const positive = labels[0] === 1;
  for (let row = 1; row < rows; row++) {
    if ((labels[row * tasks] === 1) !== positive) return;
  }
  const read = new Set(joiner.tasks.flatMap(({ rules }) => rules.map((rule) => rule.action)));
  const advice = table === undefined
    ? (positive
      ? "where the file has only what was done, cairn import draws negatives. "
      : `the label rules (joiner.tasks) read ${
        [...read].join(", ")
      }, and a row that names no action is ` +
        `${action}: --action names another one. `) +
      "Do the rules suit its values? --label-at-least sets another bound, and --label-column " +
      "names the label of a table of examples"
    : `does the column ${table.label} suit? A value of 0.5 or more is positive unless label rules ` +
      "(joiner.tasks) are configured; --label-at-least sets another bound";
  throw usageError(
    `Cannot use ${path}: all ${rows.toLocaleString("en")} examples are ${
      positive ? "positive" : "negative"
    }, and it takes both; ${advice}.`,
  );
}
