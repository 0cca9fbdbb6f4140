/**
 * Meaning of a table's columns: the roles of an interaction, and attributes of the feature schema.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { FeatureSchema, FeatureSource } from "../../kernels/features/schema.ts";
import type { RowFields } from "./dataset.ts";
import { DatasetError, numberAt, shown } from "./errors.ts";

/** Column names by role. */
export interface InteractionColumns {
  readonly user?: string;
  readonly item?: string;
  readonly value?: string;
  readonly time?: string;
  readonly action?: string;
}

type Role = keyof InteractionColumns;

/**
 * Usual names, compared by their letters and digits, without case. Of two columns with usual names,
 * the one whose name comes first here has the role.
 */
const usualNames: Readonly<Record<Role, readonly string[]>> = {
  user: ["userid", "user", "customerid", "customer", "visitorid", "visitor"],
  item: ["itemid", "item", "movieid", "movie", "productid", "product", "stockcode"],
  value: ["value", "rating", "label", "score"],
  time: ["timestamp", "datetime", "time", "date", "atms", "at"],
  action: ["action", "event"],
};

export type ResolvedColumns = Readonly<Partial<Record<Role, string>>>;

/**
 * The column of each role; a role without a named column is found by its usual names.
 *
 * @throws {DatasetError} When a named column is missing, or the table has neither users nor items.
 */
export function resolveColumns(
  header: readonly string[],
  wanted: InteractionColumns,
  file: string,
): ResolvedColumns {
  const resolved: Partial<Record<Role, string>> = namedColumns(header, wanted, file);
  for (const role of Object.keys(usualNames) as Role[]) {
    const found = resolved[role] ?? columnCalled(usualNames[role], header);
    if (found !== undefined) resolved[role] = found;
  }
  if (resolved.user === undefined && resolved.item === undefined) {
    throw new DatasetError(
      file,
      1,
      `no column is called like a user or an item (${header.join(", ")}); name them, ` +
        "e.g. --user-column customer --item-column sku, or name the label of a table of examples by " +
        `--label-column.${delimiterHint(header)}`,
    );
  }
  return resolved;
}

/**
 * The named columns only: the roles in a table of examples.
 *
 * @throws {DatasetError} When one is missing.
 */
export function namedColumns(
  header: readonly string[],
  wanted: InteractionColumns,
  file: string,
): ResolvedColumns {
  for (const [role, name] of Object.entries(wanted)) requireColumn(header, name, role, file);
  return { ...wanted };
}

function requireColumn(
  header: readonly string[],
  name: string,
  role: string,
  file: string,
): void {
  if (header.includes(name)) return;
  throw new DatasetError(
    file,
    1,
    `there is no column ${shown(name)} for the ${role}; its columns are ${header.join(", ")}.`,
  );
}

/** Advice where the header is one column that contains another delimiter; otherwise empty. */
export function delimiterHint(header: readonly string[]): string {
  const found = header.length === 1
    ? /[;|\t]/.exec(header[0])?.[0] ?? / /.exec(header[0])?.[0]
    : undefined;
  if (found === undefined) return "";
  const typed = found === "\t" ? "\\t" : found;
  return ` Are its fields told apart by ${shown(found)}? Then say --delimiter '${typed}'.`;
}

/** Whether a column has a usual name of an action or a value. */
export function saysWhatWasDone(header: readonly string[]): boolean {
  const usual = [...usualNames.value, ...usualNames.action];
  return header.some((column) => usual.includes(plainName(column)));
}

/** The columns with a usual name of a time. */
export function timeColumns(header: readonly string[]): string[] {
  return header.filter((column) => usualNames.time.includes(plainName(column)));
}

/** The column with the first of these names, which are plain, that any column has. */
export function columnCalled(
  names: readonly string[],
  columns: readonly string[],
  nameOf: (column: string) => string = plainName,
): string | undefined {
  for (const name of names) {
    const found = columns.find((column) => nameOf(column) === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The letters and digits of a name, in lower case. */
export function plainName(column: string): string {
  return column.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

/** The name of a field within an object: `price` of `properties.price`. */
export function lastPart(column: string): string {
  return column.slice(column.lastIndexOf(".") + 1);
}

/** A column that the feature schema reads, with the attribute that it becomes. */
export interface AttributeColumn {
  readonly column: string;
  /** Index in the header. */
  readonly index: number;
  readonly source: FeatureSource;
  readonly attribute: string;
  readonly type: "text" | "number" | "list";
}

/**
 * The columns of all attributes of the schema; a table of examples must have all of them.
 *
 * @param roles The named columns of user and item. Without them the id slots have nothing to learn
 * from.
 * @throws {DatasetError} When one is not there.
 */
export function allAttributeColumns(
  header: readonly string[],
  schema: FeatureSchema | undefined,
  roles: ResolvedColumns,
  file: string,
): AttributeColumn[] {
  for (const reader of [...(schema?.slots ?? []), ...(schema?.dense ?? [])]) {
    if ("attribute" in reader) requireColumn(header, reader.attribute, "feature", file);
    if (!("kind" in reader) || reader.kind !== "id" || roles[reader.source] !== undefined) continue;
    throw new DatasetError(
      file,
      1,
      `the feature ${
        shown(reader.name)
      } is the id of a ${reader.source}, and no column was named for it; ` +
        `name it by --${reader.source}-column (its columns are ${header.join(", ")}).`,
    );
  }
  return attributeColumns(header, schema);
}

/** The header's columns with the name of an attribute of the schema. */
export function attributeColumns(
  header: readonly string[],
  schema: FeatureSchema | undefined,
): AttributeColumn[] {
  const found = new Map<string, AttributeColumn>();
  for (const reader of [...(schema?.slots ?? []), ...(schema?.dense ?? [])]) {
    if (!("attribute" in reader) || !header.includes(reader.attribute)) continue;
    const kind = "kind" in reader ? reader.kind : "numeric";
    const type = kind === "categorical" ? "text" : kind === "list" ? "list" : "number";
    const { attribute, source } = reader;
    const index = header.indexOf(attribute);
    found.set(`${source} ${attribute}`, { column: attribute, index, source, attribute, type });
  }
  return [...found.values()];
}

/**
 * The row's attributes; an empty cell is an absent attribute, a list's values are separated by `|`.
 */
export function rowFields(
  cells: readonly string[],
  columns: readonly AttributeColumn[],
  action: string | undefined,
  file: string,
  line: number,
): RowFields {
  const fields: { [Source in FeatureSource]?: Record<string, FeatureAttributes[string]> } = {};
  for (const { column, index, source, attribute, type } of columns) {
    const text = cells[index];
    if (text === undefined || text === "") continue;
    const value = type === "number"
      ? numberAt(text, file, line, `column ${column}`)
      : type === "list"
      ? text.split("|").filter((part) => part !== "")
      : text;
    (fields[source] ??= {})[attribute] = value;
  }
  return { ...fields, ...(action === undefined || action === "" ? {} : { action }) };
}
