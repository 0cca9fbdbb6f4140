/**
 * The profiles of one kind in SQLite: a table with a checksum in each row, so that a changed value
 * is an error in place of another value.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Profile, ProfileKind } from "../../ports/profile_store.ts";

interface Row {
  readonly attributes: string;
  readonly updated_at_ms: number;
  readonly version: number;
  readonly checksum: number;
}

const COLUMNS = "attributes, updated_at_ms, version, checksum";

/** The statement that makes the table. */
export function profileTableSql(kind: ProfileKind): string {
  return `CREATE TABLE ${kind}_profile (
     id TEXT PRIMARY KEY, attributes TEXT NOT NULL, updated_at_ms REAL NOT NULL,
     version INTEGER NOT NULL, checksum INTEGER NOT NULL
   ) WITHOUT ROWID`;
}

/** Statements on the table, for one connection. */
export class ProfileTable {
  readonly #kind: ProfileKind;
  readonly #select: StatementSync;
  readonly #selectMany: StatementSync;
  readonly #selectPage: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, kind: ProfileKind) {
    this.#kind = kind;
    const table = `${kind}_profile`;
    this.#select = database.prepare(`SELECT ${COLUMNS} FROM ${table} WHERE id = ?`);
    // One query for all takes half of the time of a query for each.
    this.#selectMany = database.prepare(
      `SELECT asked.key AS position, ${COLUMNS}
       FROM json_each(?) AS asked JOIN ${table} AS profile ON profile.id = asked.value`,
    );
    this.#selectPage = database.prepare(
      `SELECT id, ${COLUMNS} FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`,
    );
    this.#upsert = database.prepare(
      `INSERT INTO ${table} (id, ${COLUMNS}) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET attributes = excluded.attributes,
         updated_at_ms = excluded.updated_at_ms, version = excluded.version,
         checksum = excluded.checksum`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE id = ?`);
  }

  /** @throws {ProfileRowError} */
  get(id: string): Profile | undefined {
    const row = this.#select.get(id) as unknown as Row | undefined;
    return row && this.#profileOf(id, row);
  }

  /** @throws {ProfileRowError} */
  getMany(ids: readonly string[]): (Profile | undefined)[] {
    const profiles: (Profile | undefined)[] = new Array(ids.length).fill(undefined);
    const rows = this.#selectMany.all(
      JSON.stringify(ids),
    ) as unknown as (Row & { readonly position: number })[];
    for (const row of rows) profiles[row.position] = this.#profileOf(ids[row.position], row);
    return profiles;
  }

  /** Up to `limit` profiles in the order of their ids, behind `after`. */
  list(after: string | undefined, limit: number): Profile[] {
    // Ids are not empty, so the empty text lies before all of them.
    const rows = this.#selectPage.all(
      after ?? "",
      limit,
    ) as unknown as (Row & { readonly id: string })[];
    return rows.map((row) => this.#profileOf(row.id, row));
  }

  write({ id, attributes, updatedAtMs, version }: Profile): void {
    const text = JSON.stringify(attributes);
    const row = { attributes: text, updated_at_ms: updatedAtMs, version };
    this.#upsert.run(id, text, updatedAtMs, version, checksumOf(this.#kind, id, row));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  #profileOf(id: string, row: Row): Profile {
    verify(this.#kind, id, row);
    const { attributes, updated_at_ms, version } = row;
    return { id, attributes: JSON.parse(attributes), updatedAtMs: updated_at_ms, version };
  }
}

/** Rows of one query of {@link verifyRows}; an iterator over all takes three times as long. */
const VERIFIED_ROWS = 256;

/** The columns of a row with its id: an object of each row takes as long again. */
type RowValues = [string, Row["attributes"], number, number, number];

/** Deno's types of `StatementSync` lack this method. */
interface ArrayStatement {
  setReturnArrays(enabled: boolean): void;
  all(...parameters: readonly string[]): RowValues[];
}

/**
 * The first damage of the pages; undefined where they are whole. `quick_check` takes as long and
 * does not look whether the ids ascend: the search for an id would then miss rows.
 */
export function findPageDamage(database: DatabaseSync): string | undefined {
  const { integrity_check: found } = database.prepare("PRAGMA integrity_check(1)").get() ?? {};
  return found === "ok" ? undefined : String(found);
}

/**
 * Verifies the checksums of all rows, in pages that {@link findPageDamage} has found whole: each
 * query goes on by a search for the last id.
 *
 * @returns How many there are.
 * @throws {ProfileRowError}
 */
export function verifyRows(database: DatabaseSync, kind: ProfileKind): number {
  const pages = (condition: string) => {
    const sql = `SELECT id, ${COLUMNS} FROM ${kind}_profile ${condition}
      ORDER BY id LIMIT ${VERIFIED_ROWS}`;
    const statement = database.prepare(sql) as unknown as ArrayStatement;
    statement.setReturnArrays(true);
    return statement;
  };
  const next = pages("WHERE id > ?");
  let rows = 0;
  // The first page has no condition, which would leave out a damaged id of another type.
  let page = pages("").all();
  while (page.length > 0) {
    for (const [id, attributes, updated_at_ms, version, checksum] of page) {
      verify(kind, id, { attributes, updated_at_ms, version, checksum });
    }
    rows += page.length;
    page = next.all(page[page.length - 1][0]);
  }
  return rows;
}

function verify(kind: ProfileKind, id: string, row: Row): void {
  // A damaged row may have a blob of the same bytes in place of a text.
  const isText = typeof id === "string" && typeof row.attributes === "string";
  if (!isText || row.checksum !== checksumOf(kind, id, row)) {
    throw new ProfileRowError(kind, String(id));
  }
}

/** A row holds other values than were written. */
export class ProfileRowError extends Error {
  override readonly name = "ProfileRowError";
  constructor(readonly kind: ProfileKind, readonly id: string) {
    super(`the profile of ${kind} "${id}" does not match its checksum`);
  }
}

const time = new Float64Array(1);
const timeWords = new Uint32Array(time.buffer);

/** Checksums begin with the kind: a row that damage put into the other table is found. */
const seeds: Readonly<Record<ProfileKind, number>> = { user: crc32("user"), item: crc32("item") };

/**
 * CRC-32 of kind, id and attributes, with the numbers mixed in: a text of all of them would be
 * copied first.
 */
function checksumOf(
  kind: ProfileKind,
  id: string,
  { attributes, updated_at_ms, version }: Omit<Row, "checksum">,
): number {
  time[0] = updated_at_ms;
  const numbers = timeWords[0] ^ Math.imul(timeWords[1], 0x85ebca6b) ^
    Math.imul(version, 0x9e3779b1);
  return crc32(attributes, (crc32(id, seeds[kind]) ^ numbers) >>> 0);
}
