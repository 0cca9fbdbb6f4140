/**
 * A table of labelled examples, as public benchmarks of click prediction are published: one column says what is to be
 * predicted, every other one is a category. There is no user, no item and no order of time.
 */
import { DatasetError, shown } from "./errors.ts";

/** Which columns are what. */
export interface LabelledTable {
  readonly label: string;
  /** Categories, by name. */
  readonly features: readonly string[];
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
 * @param features Names of the features; left out, all columns are that are nothing else.
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
    throw new DatasetError(file, 1, `${what}; its columns are ${header.join(", ")}.`);
  };
  if (!header.includes(label)) refuse(`there is no column ${shown(label)} for the label`);
  for (const feature of features ?? []) {
    if (!header.includes(feature)) refuse(`there is no column ${shown(feature)} for a feature`);
    if (feature === label) refuse(`the label ${shown(label)} cannot be a feature as well`);
  }
  const chosen = features ?? header.filter((name) => name !== label && !others.includes(name));
  if (chosen.length === 0) refuse(`no column is left to predict ${shown(label)} from`);
  return { label, features: chosen };
}
