/**
 * A table of labelled examples, as public benchmarks of click prediction are published: one column says what is to be
 * predicted, every other one is a category. There is no user, no item and no order of time.
 */
import { delimiterHint } from "./columns.ts";
import { DatasetError, shown } from "./errors.ts";

/** Which columns are what. */
export interface LabelledTable {
  readonly label: string;
  /** All that have no other role, by name. */
  readonly columns: readonly string[];
  /** Those that were named as categories to predict from. */
  readonly features?: readonly string[];
}

/** Compared without case. */
const usualLabels = ["label", "click", "clicked", "target", "is_click"];

/** The column that is called like a label, if there is one. */
export function usualLabel(header: readonly string[]): string | undefined {
  return header.find((column) => usualLabels.includes(column.toLowerCase()));
}

/**
 * The table that the header describes.
 *
 * @param features Names of the features, where they were named.
 * @param others Columns with another role.
 * @throws {DatasetError} A named column is not there, or no feature is left.
 */
export function labelledTable(
  file: string,
  header: readonly string[],
  label: string,
  features: readonly string[] | undefined,
  others: readonly string[],
): LabelledTable {
  const refuse = (what: string) => {
    const columns = `its columns are ${header.join(", ")}.${delimiterHint(header)}`;
    throw new DatasetError(file, 1, `${what}; ${columns}`);
  };
  if (!header.includes(label)) refuse(`there is no column ${shown(label)} for the label`);
  for (const feature of features ?? []) {
    if (!header.includes(feature)) refuse(`there is no column ${shown(feature)} for a feature`);
    if (feature === label) refuse(`the label ${shown(label)} cannot be a feature as well`);
  }
  const columns = header.filter((name) => name !== label && !others.includes(name));
  if (columns.length === 0) refuse(`no column is left to predict ${shown(label)} from`);
  return { label, columns, ...(features === undefined ? {} : { features }) };
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
