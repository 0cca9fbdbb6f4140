/**
 * All interactions of a dataset in memory, in order of time: replay and progressive validation need
 * that order, and published files are not sorted.
 */
import type { Dataset, InteractionChunk, RowFields } from "./dataset.ts";
import { Numbering } from "./numbering.ts";

/** Users and items are numbered, so that a row takes 24 bytes, independent of its ids. */
export class InteractionTable {
  readonly rows: number;
  /** Ids by number. */
  readonly users: readonly string[];
  readonly items: readonly string[];
  /** Number of each row's user, shape `[rows]`, as all following columns. */
  readonly userOf: Uint32Array<ArrayBuffer>;
  readonly itemOf: Uint32Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  readonly atMs: Float64Array<ArrayBuffer>;
  readonly fields: readonly RowFields[] | undefined;

  constructor(columns: Omit<InteractionTable, "user" | "item">) {
    this.rows = columns.rows;
    this.users = columns.users;
    this.items = columns.items;
    this.userOf = columns.userOf;
    this.itemOf = columns.itemOf;
    this.values = columns.values;
    this.atMs = columns.atMs;
    this.fields = columns.fields;
  }

  user(row: number): string {
    return this.users[this.userOf[row]];
  }

  item(row: number): string {
    return this.items[this.itemOf[row]];
  }
}

/** The rows of one chunk, in the file's order. */
export function tableOf(
  { users, items, values, atMs, fields }: InteractionChunk,
): InteractionTable {
  const [userNames, itemNames] = [new Numbering(), new Numbering()];
  const userOf = Uint32Array.from(users, (id) => userNames.of(id));
  const itemOf = Uint32Array.from(items, (id) => itemNames.of(id));
  return new InteractionTable({
    rows: users.length,
    users: userNames.names,
    items: itemNames.names,
    userOf,
    itemOf,
    values,
    atMs,
    fields,
  });
}

export interface ReadOptions {
  /** Ascending by time, rows of the same time in the file's order. Default true. */
  readonly byTime?: boolean;
  /** Called after each chunk with the rows so far. */
  readonly onProgress?: (rows: number) => void;
}

/** @throws {DatasetError} On a line that cannot be read. */
export async function readInteractions(
  dataset: Dataset,
  options: ReadOptions = {},
): Promise<InteractionTable> {
  const users = new Numbering();
  const items = new Numbering();
  const userOf: Uint32Array[] = [];
  const itemOf: Uint32Array[] = [];
  const values: Float64Array[] = [];
  const atMs: Float64Array[] = [];
  const fields: RowFields[] = [];
  let rows = 0;
  for await (const chunk of dataset.interactions()) {
    userOf.push(Uint32Array.from(chunk.users, (id) => users.of(id)));
    itemOf.push(Uint32Array.from(chunk.items, (id) => items.of(id)));
    values.push(chunk.values);
    atMs.push(chunk.atMs);
    for (const field of chunk.fields ?? []) fields.push(field);
    rows += chunk.users.length;
    options.onProgress?.(rows);
  }
  const times = concatenated(atMs, new Float64Array(rows));
  const order = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) order[i] = i;
  if (options.byTime ?? true) order.sort((a, b) => times[a] - times[b] || a - b);
  const fileUsers = concatenated(userOf, new Uint32Array(rows));
  const fileItems = concatenated(itemOf, new Uint32Array(rows));
  const fileValues = concatenated(values, new Float64Array(rows));
  return new InteractionTable({
    rows,
    users: users.names,
    items: items.names,
    userOf: order.map((row) => fileUsers[row]),
    itemOf: order.map((row) => fileItems[row]),
    values: Float64Array.from(order, (row) => fileValues[row]),
    atMs: Float64Array.from(order, (row) => times[row]),
    fields: fields.length === 0 ? undefined : Array.from(order, (row) => fields[row]),
  });
}

function concatenated<A extends Uint32Array | Float64Array>(parts: readonly A[], into: A): A {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}
