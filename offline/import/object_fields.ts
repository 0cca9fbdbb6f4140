/**
 * Columns of rows that are objects, as JSON Lines and Parquet hold them. A field of an object
 * within a row is a column such as `item.price`.
 */

/** The values of a row by column. */
export type ObjectFields = ReadonlyMap<string, unknown>;

/** Rows of a file from which its columns are known. */
const COLUMN_ROWS = 100_000;

/** The columns of the first rows, in the order in which they occur. */
export async function columnsOfObjects(rows: AsyncIterable<ObjectFields>): Promise<string[]> {
  const hasValue = new Map<string, boolean>();
  let read = 0;
  for await (const fields of rows) {
    for (const [column, value] of fields) {
      hasValue.set(column, hasValue.get(column) === true || value !== undefined && value !== null);
    }
    if (++read >= COLUMN_ROWS) break;
  }
  const columns = [...hasValue.keys()];
  // An object that some rows lack is known by its fields.
  const hasFields = (column: string) => columns.some((other) => other.startsWith(`${column}.`));
  return columns.filter((column) => hasValue.get(column) === true || !hasFields(column));
}

/** The fields of a row. */
export function fieldsOfObject(object: Readonly<Record<string, unknown>>): ObjectFields {
  const fields = new Map<string, unknown>();
  addFields(object, "", fields);
  return fields;
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
    if (isObject(plain)) addFields(plain, `${path}${key}.`, to);
    else to.set(path + key, plain);
  }
}

/** The value of an object such as `{"$date": …}`, by which MongoDB's exports tell a type. */
function withoutType(value: unknown): unknown {
  if (!isObject(value)) return value;
  const [[key, inner] = [""], ...others] = Object.entries(value);
  return others.length === 0 && key.startsWith("$") ? withoutType(inner) : value;
}
