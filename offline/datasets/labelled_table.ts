/**
 * A table of labelled examples, as benchmarks of click prediction are published: one column is the
 * label, every other one a category, or a number where it is named so. There is no user, no item
 * and no order of time.
 */
import { delimiterHint, plainName } from "./columns.ts";
import type { CsvStart } from "./csv.ts";
import { DatasetError, shown } from "./errors.ts";
import { fieldNames } from "./libsvm.ts";

/** Roles of the columns. */
export interface LabelledTable {
  readonly label: string;
  /** All named columns without another role. */
  readonly columns: readonly string[];
  /** Columns that were named as features. */
  readonly features?: readonly string[];
  /** Kinds of the columns that are not categories. */
  readonly kinds: Readonly<Record<string, "number" | "list">>;
  /** libsvm: number of indices per row, where each position is a column. */
  readonly fields?: number;
  /** Columns that may be numbers, and are read as categories. */
  readonly numbers: readonly string[];
  /** Positions of the columns without a name, from 1. */
  readonly unnamed: readonly number[];
}

/** The options about columns. */
export interface NamedColumns {
  readonly features?: readonly string[];
  readonly numeric?: readonly string[];
  /** Columns with a role that is neither label nor feature. */
  readonly others: readonly string[];
}

/** Usual names, compared by their letters and digits, without case. */
const usualLabels: readonly string[] = [
  "label",
  "labels",
  "click",
  "clicked",
  "clk",
  "isclick",
  "isclicked",
  "target",
  "y",
  "conversion",
  "converted",
  "isconversion",
];

/** The columns with a usual name of a label. */
export function usualLabelsOf(header: readonly string[]): string[] {
  return header.filter((column) => usualLabels.includes(plainName(column)));
}

/** Columns with a usual name of a row number, which predicts nothing about other rows. */
export function rowNumbersOf(columns: readonly string[]): string[] {
  const usual = ["id", "index", "idx", "row", "rowid", "rownumber", "unnamed0"];
  return columns.filter((column) => usual.includes(plainName(column)));
}

/**
 * Columns of numbers that are quantities: they have fractions, or are named as the counts of
 * Criteo's tables are.
 */
export function numbersOf({ header, rows }: CsvStart): string[] {
  const isFraction = (cell: string) => /^[-+]?\d*\.\d+$/.test(cell) && Number(cell) % 1 !== 0;
  return header.filter((name, i) =>
    /^I\d+$/.test(name) || rows.some((cells) => isFraction(cells[i])) &&
      rows.every((cells) => Number.isFinite(Number(cells[i])))
  );
}

/**
 * The table that the first rows of a file describe.
 *
 * @throws {DatasetError} When a named column is missing, or no feature is left.
 */
export function labelledTable(
  file: string,
  start: CsvStart,
  label: string,
  { features, numeric = [], others }: NamedColumns,
): LabelledTable {
  const { header } = start;
  const refuse = (what: string) => {
    const columns = `its columns are ${header.join(", ")}.${delimiterHint(header)}`;
    throw new DatasetError(file, 1, `${what}; ${columns}`);
  };
  if (!header.includes(label)) refuse(`there is no column ${shown(label)} for the label`);
  for (const feature of [...features ?? [], ...numeric]) {
    if (!header.includes(feature)) refuse(`there is no column ${shown(feature)} for a feature`);
    if (feature === label) refuse(`the label ${shown(label)} cannot be a feature as well`);
  }
  const unread = numeric.find((name) => features !== undefined && !features.includes(name));
  if (unread !== undefined) refuse(`the number ${shown(unread)} is not among the named features`);
  const columns = header.filter((name) => name !== "" && name !== label && !others.includes(name));
  if (columns.length === 0) refuse(`no column is left to predict ${shown(label)} from`);
  const unnamed = header.flatMap((name, i) => name === "" ? [i + 1] : []);
  const kinds = Object.fromEntries(numeric.map((name) => [name, "number" as const]));
  const numbers = numbersOf(start).filter((name) =>
    columns.includes(name) && !numeric.includes(name)
  );
  return {
    label,
    columns,
    kinds,
    unnamed,
    numbers,
    ...(features === undefined ? {} : { features }),
  };
}

/**
 * The table of a libsvm file: a category in each position, or else a list of the row's indices.
 *
 * @param fields Number of indices per row, if it is the same for all rows.
 */
export function libsvmTable(fields: number | undefined): LabelledTable {
  const plain = { numbers: [], unnamed: [] };
  return fields === undefined
    ? { label: "label", columns: ["indices"], kinds: { indices: "list" }, ...plain }
    : { label: "label", columns: fieldNames(fields), kinds: {}, ...plain, fields };
}

/** A label as a number: a number as it is, `true` as 1 and `false` as 0, in any case. */
export function labelAt(
  text: string | undefined,
  file: string,
  line: number,
  what: string,
): number {
  const word = text?.trim().toLowerCase();
  if (word === "true" || word === "false") return Number(word === "true");
  const value = word === undefined || word === "" ? NaN : Number(word);
  if (Number.isFinite(value)) return value;
  throw new DatasetError(
    file,
    line,
    `the label (${what}) is ${shown(text)}, expected a number such as 0 or 1, true or false.`,
  );
}
