/**
 * What a file holds for `cairn train`: interactions, or a table of labelled examples; and whether it can be learned from.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { namedRoles } from "../dataset_options.ts";
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

/** How a file is read. */
export interface TrainingSource {
  /** Absent where the file holds interactions. */
  readonly table?: LabelledTable;
  /** The configuration: the named one, or one that fits. */
  readonly config: string;
  /** Whether the features of a table are the configuration's. */
  readonly configured: boolean;
}

/** Of tables up to 200,000 examples. */
const L2_MAX = 0.05;
/** Deviation of an embedding's values before anything is seen: the configuration's initializer has the same. */
const PRIOR_STDDEV = 0.01;

/**
 * L2 on the embeddings of a table with this many examples. The penalty on the mean loss that says "normal, of this
 * deviation" is 1 / (deviation² · examples): the more there is to learn from, the less a prior says. It is what was
 * tuned for Frappe's 200,000 examples; fewer were measured with no more.
 *
 * @see MacKay, "A Practical Bayesian Framework for Backpropagation Networks", Neural Computation 1992
 */
export function l2OfTable(examples: number): number {
  const strength = 1 / (PRIOR_STDDEV ** 2 * examples);
  return Math.min(L2_MAX, Number(strength.toPrecision(2)));
}

/** Rows of a table by which it is told what its columns are. */
const rowsLookedAt = 100;

/** What the file holds, and the configuration that fits it where none was named. */
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
    // What cannot be read is told by whoever reads it whole.
    const fields = configured ? undefined : await uniformFields(flags.path).catch(() => undefined);
    return {
      table: libsvmTable(fields),
      config: flags.config ?? bundledFile("examples/categorical.yaml"),
      configured,
    };
  }
  if (flags.dataset !== "csv") return movies;
  const roles = Object.values(namedRoles(flags));
  // Features that are configured, or a role that was named, say how to read the file.
  if (!named && (configured || roles.length > 0)) return movies;
  const start = await readCsvStart(flags.path, flags, rowsLookedAt).catch((error) => {
    // A file that cannot be read at all is told by whoever reads it whole, after what is wrong with the options.
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

/** @throws {DatasetError} When it may be one of several columns: the others would tell what is to be predicted. */
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

/** What is predicted from what, and what may not have been meant. */
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
    ...unnamed.map((place) =>
      `column ${place} has no name, as numbers of rows that a tool wrote: it is left out`
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

/**
 * Without both there is nothing to tell apart, nor to measure.
 *
 * @throws {CommandError} When the first task's labels are all the same.
 */
export function requireBothLabels(
  path: string,
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
  const advice = table === undefined
    ? "do the label rules (joiner.tasks) suit its values? --label-at-least sets another bound, " +
      "and --label-column names the label of a table of examples"
    : `does the column ${table.label} suit? A value of 0.5 or more is positive unless label rules ` +
      "(joiner.tasks) are configured; --label-at-least sets another bound";
  throw usageError(
    `Cannot use ${path}: all ${rows.toLocaleString("en")} examples are ${
      positive ? "positive" : "negative"
    }, and it takes both; ${advice}.`,
  );
}
