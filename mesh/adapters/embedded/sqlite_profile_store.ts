/**
 * Profiles in SQLite, without a cache: the ranker keeps derived values of items, see {@link
 * ProfileStore.onChanged}, and the profile of one user is read in microseconds.
 *
 * Writes of one turn of the event loop share a transaction, up to a number that holds up rankings
 * for a few ms. A profile becomes readable when it is durable. Deleted and replaced profiles are
 * overwritten in the file, because their deletion may be a duty.
 *
 * Nothing is read unverified: the write-ahead log is checked before SQLite reads it, the pages and
 * all rows at the opening, and each row when it is read. A quiet store moves its write-ahead log
 * into the database, so that rows' checksums stand for all profiles.
 */
import { DatabaseSync } from "node:sqlite";
import { present } from "../../../structures/invariant.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import {
  type Attributes,
  isUnchanged,
  type Profile,
  type ProfileKind,
  type ProfilePage,
  profilesFull,
  type ProfileStore,
  ProfileStoreUnavailableError,
} from "../../ports/profile_store.ts";
import { DamagedFileError } from "./checked_json.ts";
import { type ProfileChange, ProfileRowError, ProfileTable } from "./profile_table.ts";
import { readFileIfAny } from "./small_file.ts";
import { findWalDamage } from "./wal_check.ts";

export interface SqliteProfileStoreOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Bytes that the file may have before puts fail. Default: no limit. */
  readonly bytesMax?: number;
}

interface PendingWrite {
  readonly kind: ProfileKind;
  readonly id: string;
  /** Undefined = the profile is deleted. */
  readonly attributes: Attributes | undefined;
  /** The write is left out unless the profile is still this one. */
  readonly expected?: Profile;
  readonly resolve: (change: ProfileChange) => void;
  readonly reject: (error: unknown) => void;
}

/** Version of the tables, in the file's `user_version`. */
const FORMAT = 2;
/** Names of the tables, in the order in which they are made. */
const TABLES = "user_profile,item_profile";
/** Writes of one transaction; further ones wait for the next turn of the event loop. */
const WRITES_PER_COMMIT = 128;
/** Time without writes after which the write-ahead log is moved into the database, ms. */
const CHECKPOINT_DELAY_MS = 1_000;

/** Primary result codes of SQLite: the disk is full or failed, or the file is damaged. */
const [SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB] = [10, 11, 13, 26];

export class SqliteProfileStore implements ProfileStore {
  readonly isLocal = true;
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #bytesMax: number | undefined;
  readonly #tables: Record<ProfileKind, ProfileTable>;
  readonly #pending: PendingWrite[] = [];
  #checkpoint: Timer | undefined;
  #isVerified = false;

  /**
   * Opens the store, or makes it, and verifies it.
   *
   * @throws {DamagedFileError} The file or its write-ahead log is damaged, or has another format.
   */
  constructor(options: SqliteProfileStoreOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#bytesMax = options.bytesMax;
    checkWriteAheadLog(options.path);
    this.#database = this.#named(() => new DatabaseSync(options.path));
    try {
      this.#tables = this.#named(() => this.#open());
      this.#isVerified = true;
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#named(() => this.#tables[kind].get(id));
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return this.#named(() => this.#tables[kind].getMany(ids));
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#tables[kind].listeners.add(listener);
  }

  async put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    const { after } = await this.#write(kind, id, attributes);
    return present(after, "a profile is there after its put");
  }

  async replace(
    kind: ProfileKind,
    before: Profile,
    attributes: Attributes,
  ): Promise<Profile | undefined> {
    const { after } = await this.#write(kind, before.id, attributes, before);
    return after;
  }

  async delete(kind: ProfileKind, id: string): Promise<boolean> {
    const { before } = await this.#write(kind, id, undefined);
    return before !== undefined;
  }

  list(kind: ProfileKind, after: string | undefined, limit: number): Promise<ProfilePage> {
    return Promise.try(() => {
      const profiles = this.#named(() => this.#tables[kind].list(after, limit));
      return { profiles, next: profiles.at(-1)?.id };
    });
  }

  count(kind: ProfileKind): number {
    return this.#tables[kind].count;
  }

  close(): Promise<void> {
    while (this.#pending.length > 0) this.#commit();
    this.#checkpoint?.cancel();
    this.#database.close();
    return Promise.resolve();
  }

  #open(): Record<ProfileKind, ProfileTable> {
    this.#run("PRAGMA journal_mode = WAL");
    this.#run("PRAGMA synchronous = FULL");
    this.#run("PRAGMA secure_delete = ON");
    const { user_version } = this.#row("PRAGMA user_version");
    const { tables } = this.#row("SELECT group_concat(name) AS tables FROM sqlite_schema");
    if (tables === null) this.#run(`PRAGMA user_version = ${FORMAT}`);
    else if (user_version !== FORMAT) {
      throw this.#damaged(`it has format ${user_version}, and this build reads ${FORMAT}`);
    } else if (tables !== TABLES) throw this.#damaged(`it has the tables ${tables}`);
    if (this.#bytesMax !== undefined) {
      const pagesMax = Math.max(1, Math.floor(this.#bytesMax / this.#pragma("page_size")));
      this.#run(`PRAGMA max_page_count = ${pagesMax}`);
    }
    const { quick_check } = this.#row("PRAGMA quick_check(1)");
    if (String(quick_check) !== "ok") throw this.#damaged(String(quick_check));
    return {
      user: new ProfileTable(this.#database, "user"),
      item: new ProfileTable(this.#database, "item"),
    };
  }

  #pragma(name: string): number {
    return Number(Object.values(this.#row(`PRAGMA ${name}`))[0]);
  }

  /** A prepared statement, unlike `exec`, reports SQLite's result code. */
  #run(sql: string): void {
    this.#database.prepare(sql).all();
  }

  #row(sql: string): Record<string, unknown> {
    const row = this.#database.prepare(sql).get();
    return present(row, "the query has one row") as Record<string, unknown>;
  }

  #write(
    kind: ProfileKind,
    id: string,
    attributes: Attributes | undefined,
    expected?: Profile,
  ): Promise<ProfileChange> {
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) this.#clock.schedule(0, () => this.#commit());
      this.#pending.push({ kind, id, attributes, ...(expected && { expected }), resolve, reject });
    });
  }

  #commit(): void {
    const writes = this.#pending.splice(0, WRITES_PER_COMMIT);
    if (writes.length === 0) return;
    if (this.#pending.length > 0) this.#clock.schedule(0, () => this.#commit());
    let changes: ProfileChange[];
    try {
      changes = this.#named(() => this.#transact(writes));
    } catch (error) {
      for (const { reject } of writes) reject(error);
      return;
    }
    writes.forEach(({ kind, id, expected, resolve }, i) => {
      const isLeftOut = expected !== undefined && changes[i].after === undefined;
      if (!isLeftOut) this.#tables[kind].publish(id, changes[i]);
      resolve(changes[i]);
    });
    this.#checkpoint?.cancel();
    this.#checkpoint = this.#clock.schedule(CHECKPOINT_DELAY_MS, () => this.#moveLog());
  }

  #transact(writes: readonly PendingWrite[]): ProfileChange[] {
    this.#run("BEGIN IMMEDIATE");
    try {
      const changes = writes.map(({ kind, id, attributes, expected }): ProfileChange => {
        const table = this.#tables[kind];
        const before = table.get(id); // a write of this transaction included
        if (expected && !isUnchanged(before, expected)) return { before, after: undefined };
        const after = attributes && {
          id,
          attributes: structuredClone(attributes),
          updatedAtMs: this.#clock.nowMs(),
          version: (before?.version ?? 0) + 1,
        };
        if (after) table.write(after);
        else if (before) table.delete(id);
        return { before, after };
      });
      this.#run("COMMIT");
      return changes;
    } catch (error) {
      if (this.#database.isTransaction) this.#run("ROLLBACK");
      throw error;
    }
  }

  /** Moves the write-ahead log into the database. A failure leaves it in place, for a later try. */
  #moveLog(): void {
    this.#checkpoint = undefined;
    try {
      this.#run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch { /* the next commit schedules it again */ }
  }

  /** Runs an operation; its errors of a damaged file or a full disk name the file. */
  #named<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      if (error instanceof ProfileRowError) throw this.#damaged(error.message);
      const code = Number((error as { errcode?: number }).errcode) & 0xff;
      if (code === SQLITE_FULL || code === SQLITE_IOERR) {
        const isLimited = code === SQLITE_FULL && this.#bytesMax !== undefined;
        throw new ProfileStoreUnavailableError(
          this.#path,
          error,
          isLimited ? profilesFull(this.#bytesMax) : undefined,
        );
      }
      // Before its tables are verified, any statement may fail by a damaged schema.
      const isDamage = code === SQLITE_CORRUPT || code === SQLITE_NOTADB ||
        !this.#isVerified && !(error instanceof DamagedFileError);
      throw isDamage ? this.#damaged((error as Error).message) : error;
    }
  }

  #damaged(reason: string): DamagedFileError {
    return new DamagedFileError(
      this.#path,
      reason,
      "Restore the file from a copy, or move it aside and send the profiles again.",
    );
  }
}

function checkWriteAheadLog(path: string): void {
  const wal = `${path}-wal`;
  const bytes = readFileIfAny(wal);
  const at = bytes === undefined ? undefined : findWalDamage(bytes);
  if (at === undefined) return;
  throw new DamagedFileError(
    wal,
    `a damaged frame at byte ${at} would drop the writes behind it`,
    "Restore the file from a copy, or delete it to go on without these writes.",
  );
}
