/**
 * Rows and columns of objects, as JSON Lines and Parquet hold them. A field of an object within an
 * object is a column such as `item.price`, and so is a named value of a list of them. An object
 * with a list of items, each of them an object, has a row for each item.
 */
import { lastPart, plainName } from "../datasets/columns.ts";

/** The values of a row by column. */
export type ObjectFields = ReadonlyMap<string, unknown>;

/** Objects of a file from which its columns are known. */
const COLUMN_OBJECTS = 100_000;

/** Names of lists of which each object is a row. */
const rowLists = ["items", "products", "lineitems"];

/** Whether a column is of the objects of such a list, as `items.quantity` is. */
export function isOfRowList(column: string): boolean {
  const list = column.slice(0, column.length - lastPart(column).length - 1);
  return rowLists.includes(plainName(lastPart(list)));
}

/** The columns of the first objects, in the order in which they occur. */
export async function columnsOfObjects(
  objects: AsyncIterable<readonly ObjectFields[]>,
): Promise<string[]> {
  const hasValue = new Map<string, boolean>();
  let read = 0;
  for await (const rows of objects) {
    for (const [column, value] of rows.flatMap((fields) => [...fields])) {
      hasValue.set(column, hasValue.get(column) === true || !isEmpty(value));
    }
    if (++read >= COLUMN_OBJECTS) break;
  }
  const columns = [...hasValue.keys()];
  // An object or a list that some rows lack is known by its fields.
  const hasFields = (column: string) => columns.some((other) => other.startsWith(`${column}.`));
  return columns.filter((column) => hasValue.get(column) === true || !hasFields(column));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value) && value.length === 0;
}

/** The rows of an object: one, or one for each of its items. */
export function rowsOfObject(object: Readonly<Record<string, unknown>>): ObjectFields[] {
  const fields = new Map<string, unknown>();
  addFields(object, "", fields);
  for (const [column, list] of fields) {
    if (!Array.isArray(list) || list.length === 0 || !list.every(isObject)) continue;
    if (!rowLists.includes(plainName(lastPart(column)))) continue;
    fields.delete(column);
    return list.map((item) => {
      const row = new Map(fields);
      addFields(item, `${column}.`, row);
      return row;
    });
  }
  return [fields];
}

/** The rows of an object as those of a file. */
export function* fileRows(
  line: number,
  rows: readonly ObjectFields[],
  columns: readonly string[],
) {
  for (const [part, fields] of rows.entries()) {
    const cells = columns.map((column) => fields.get(column));
    yield part === 0 ? { line, cells } : { line, cells, part };
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function addFields(
  object: Readonly<Record<string, unknown>>,
  path: string,
  to: Map<string, unknown>,
): void {
  for (const [key, value] of Object.entries(object)) {
    const plain = withoutType(value);
    const fields = isObject(plain) ? plain : namedValues(plain);
    if (fields !== undefined) addFields(fields, `${path}${key}.`, to);
    else to.set(path + key, plain);
  }
}

/** Names of the only field of a value of which they tell the type: MongoDB's and Google's. */
const TYPES = /^(?:\$.*|(?:string|int|float|double)_value)$/;

/** The value of an object such as `{"$date": …}`, by which exports tell a type. */
function withoutType(value: unknown): unknown {
  if (!isObject(value)) return value;
  const given = Object.entries(value).filter(([, inner]) => !isEmpty(inner));
  const [[key, inner] = [""], ...others] = given;
  return others.length === 0 && TYPES.test(key) ? withoutType(inner) : value;
}

/** The object that a list of `{"key": …, "value": …}` is; undefined if it is none. */
function namedValues(list: unknown): Record<string, unknown> | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const isNamed = (entry: unknown) =>
    isObject(entry) && Object.keys(entry).length === 2 && "key" in entry && "value" in entry;
  return list.every(isNamed)
    ? Object.fromEntries(list.map(({ key, value }) => [String(key), value]))
    : undefined;
}
