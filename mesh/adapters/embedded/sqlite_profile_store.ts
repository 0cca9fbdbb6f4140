/**
 * Profiles in SQLite, with a bounded cache so that ranking reads them without a query.
 *
 * Writes of one turn of the event loop share one transaction. A profile becomes readable when it is durable, and
 * what is deleted or replaced is overwritten in the file, since it may have been deleted for good reason.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Clock } from "../../ports/clock.ts";
import type { Attributes, Profile, ProfileKind, ProfileStore } from "../../ports/profile_store.ts";

export interface SqliteProfileStoreOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Profiles of each kind kept in memory, absent ones included. Default 200,000. */
  readonly cacheProfilesMax?: number;
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

export class SqliteProfileStore implements ProfileStore {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #cacheMax: number;
  readonly #tables: Record<ProfileKind, ProfileTable>;
  #pending: PendingWrite[] = [];

  constructor(options: SqliteProfileStoreOptions) {
    this.#clock = options.clock;
    this.#cacheMax = options.cacheProfilesMax ?? 200_000;
    this.#database = new DatabaseSync(options.path);
    this.#database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;",
    );
    this.#tables = {
      user: new ProfileTable(this.#database, "user", this.#cacheMax),
      item: new ProfileTable(this.#database, "item", this.#cacheMax),
    };
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#tables[kind].get(id);
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
    this.#commit();
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
    const writes = this.#pending;
    if (writes.length === 0) return;
    this.#pending = [];
    // Several writes of one profile in one transaction follow each other.
    const written = new Map<string, Profile | undefined>();
    const changes: Change[] = [];
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { kind, id, attributes } of writes) {
        const key = `${kind} ${id}`;
        const before = written.has(key) ? written.get(key) : this.get(kind, id);
        const after = attributes && {
          id,
          attributes: structuredClone(attributes),
          updatedAtMs: this.#clock.nowMs(),
          version: (before?.version ?? 0) + 1,
        };
        if (after) this.#tables[kind].write(after);
        else if (before) this.#tables[kind].delete(id);
        written.set(key, after);
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
  /** Two generations, since finding the first key of one large Map costs 100 µs: see {@link ProfileTable.#remember}. */
  #young = new Map<string, Profile | undefined>();
  #old = new Map<string, Profile | undefined>();
  readonly #cacheMax: number;
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  #count: number;

  constructor(database: DatabaseSync, kind: ProfileKind, cacheMax: number) {
    this.#cacheMax = cacheMax;
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${kind}_profile (
         id TEXT PRIMARY KEY, attributes TEXT NOT NULL, updated_at_ms REAL NOT NULL, version INTEGER NOT NULL
       ) WITHOUT ROWID`,
    );
    this.#select = database.prepare(
      `SELECT attributes, updated_at_ms, version FROM ${kind}_profile WHERE id = ?`,
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
    const cached = this.#young.get(id);
    if (cached || this.#young.has(id)) return cached;
    if (this.#old.has(id)) {
      const profile = this.#old.get(id);
      this.#remember(id, profile);
      return profile;
    }
    const row = this.#select.get(id) as Row | undefined;
    const profile = row && {
      id,
      attributes: JSON.parse(row.attributes) as Attributes,
      updatedAtMs: row.updated_at_ms,
      version: row.version,
    };
    this.#remember(id, profile);
    return profile;
  }

  write({ id, attributes, updatedAtMs, version }: Profile): void {
    this.#upsert.run(id, JSON.stringify(attributes), updatedAtMs, version);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  /** The change is durable: readers may see it. */
  publish(id: string, { before, after }: Change): void {
    this.#count += Number(after !== undefined) - Number(before !== undefined);
    this.#remember(id, after);
  }

  /** When the young are half of the cache they become the old, which go; a popular one has come back by then. */
  #remember(id: string, profile: Profile | undefined): void {
    if (this.#young.size >= Math.max(1, this.#cacheMax / 2) && !this.#young.has(id)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(id, profile);
    this.#old.delete(id);
  }
}
