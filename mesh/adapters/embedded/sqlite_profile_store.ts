/**
 * Profiles in SQLite. There is no cache here: ranking keeps what it makes of items, see {@link
 * ProfileStore.onChanged}, and the profile of one user is read in microseconds.
 *
 * Writes of one turn of the event loop share a transaction, as many as hold up rankings for a few
 * ms. A profile becomes readable when it is durable, and what is deleted or replaced is overwritten
 * in the file, since it may have been deleted for good reason.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Clock } from "../../ports/clock.ts";
import type { Attributes, Profile, ProfileKind, ProfileStore } from "../../ports/profile_store.ts";
import { Listeners } from "../../runtime/listeners.ts";

export interface SqliteProfileStoreOptions {
  readonly path: string;
  readonly clock: Clock;
}

interface PendingWrite {
  readonly kind: ProfileKind;
  readonly id: string;
  /** Undefined = the profile is deleted. */
  readonly attributes: Attributes | undefined;
  readonly resolve: (change: Change) => void;
  readonly reject: (error: unknown) => void;
}

/** What a write did to a profile; undefined where there is none. */
interface Change {
  readonly before: Profile | undefined;
  readonly after: Profile | undefined;
}

interface Row {
  readonly attributes: string;
  readonly updated_at_ms: number;
  readonly version: number;
}

/** More wait for the next turn. */
const writesPerCommit = 128;

export class SqliteProfileStore implements ProfileStore {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #tables: Record<ProfileKind, ProfileTable>;
  readonly #pending: PendingWrite[] = [];

  constructor(options: SqliteProfileStoreOptions) {
    this.#clock = options.clock;
    this.#database = new DatabaseSync(options.path);
    this.#database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;",
    );
    this.#tables = {
      user: new ProfileTable(this.#database, "user"),
      item: new ProfileTable(this.#database, "item"),
    };
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#tables[kind].get(id);
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return this.#tables[kind].getMany(ids);
  }

  onChanged(kind: ProfileKind, listener: (id: string) => void): () => void {
    return this.#tables[kind].listeners.add(listener);
  }

  async put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    const { after } = await this.#write(kind, id, attributes);
    return after!;
  }

  async delete(kind: ProfileKind, id: string): Promise<boolean> {
    const { before } = await this.#write(kind, id, undefined);
    return before !== undefined;
  }

  count(kind: ProfileKind): number {
    return this.#tables[kind].count;
  }

  close(): Promise<void> {
    while (this.#pending.length > 0) this.#commit();
    this.#database.close();
    return Promise.resolve();
  }

  #write(kind: ProfileKind, id: string, attributes: Attributes | undefined): Promise<Change> {
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) this.#clock.schedule(0, () => this.#commit());
      this.#pending.push({ kind, id, attributes, resolve, reject });
    });
  }

  #commit(): void {
    const writes = this.#pending.splice(0, writesPerCommit);
    if (writes.length === 0) return;
    if (this.#pending.length > 0) this.#clock.schedule(0, () => this.#commit());
    const changes: Change[] = [];
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { kind, id, attributes } of writes) {
        const before = this.get(kind, id); // a write of this transaction included
        const after = attributes && {
          id,
          attributes: structuredClone(attributes),
          updatedAtMs: this.#clock.nowMs(),
          version: (before?.version ?? 0) + 1,
        };
        if (after) this.#tables[kind].write(after);
        else if (before) this.#tables[kind].delete(id);
        changes.push({ before, after });
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const { reject } of writes) reject(error);
      return;
    }
    writes.forEach(({ kind, id, resolve }, i) => {
      this.#tables[kind].publish(id, changes[i]);
      resolve(changes[i]);
    });
  }
}

class ProfileTable {
  readonly listeners = new Listeners<[id: string]>();
  readonly #select: StatementSync;
  readonly #selectMany: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  #count: number;

  constructor(database: DatabaseSync, kind: ProfileKind) {
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${kind}_profile (
         id TEXT PRIMARY KEY, attributes TEXT NOT NULL, updated_at_ms REAL NOT NULL, version INTEGER NOT NULL
       ) WITHOUT ROWID`,
    );
    this.#select = database.prepare(
      `SELECT attributes, updated_at_ms, version FROM ${kind}_profile WHERE id = ?`,
    );
    // One call for all: half of the time of a call for each.
    this.#selectMany = database.prepare(
      `SELECT asked.key AS position, attributes, updated_at_ms, version
       FROM json_each(?) AS asked JOIN ${kind}_profile AS profile ON profile.id = asked.value`,
    );
    this.#upsert = database.prepare(
      `INSERT INTO ${kind}_profile (id, attributes, updated_at_ms, version) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET attributes = excluded.attributes,
         updated_at_ms = excluded.updated_at_ms, version = excluded.version`,
    );
    this.#delete = database.prepare(`DELETE FROM ${kind}_profile WHERE id = ?`);
    const { total } = database.prepare(`SELECT count(*) AS total FROM ${kind}_profile`).get() as {
      total: number;
    };
    this.#count = total;
  }

  get count(): number {
    return this.#count;
  }

  get(id: string): Profile | undefined {
    const row = this.#select.get(id) as unknown as Row | undefined;
    return row && profileOf(id, row);
  }

  getMany(ids: readonly string[]): (Profile | undefined)[] {
    const profiles: (Profile | undefined)[] = new Array(ids.length).fill(undefined);
    const rows = this.#selectMany.all(
      JSON.stringify(ids),
    ) as unknown as (Row & { readonly position: number })[];
    for (const row of rows) profiles[row.position] = profileOf(ids[row.position], row);
    return profiles;
  }

  write({ id, attributes, updatedAtMs, version }: Profile): void {
    this.#upsert.run(id, JSON.stringify(attributes), updatedAtMs, version);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  /**
   * The change is durable: those who derived something from the profile hear of it before its
   * writer does.
   */
  publish(id: string, { before, after }: Change): void {
    this.#count += Number(after !== undefined) - Number(before !== undefined);
    this.listeners.tell(id);
  }
}

function profileOf(id: string, { attributes, updated_at_ms, version }: Row): Profile {
  return { id, attributes: JSON.parse(attributes), updatedAtMs: updated_at_ms, version };
}
