/**
 * Profiles in SQLite, without a cache: the ranker keeps derived values of items, see {@link
 * ProfileStore.onChanged}, and the profile of one user is read in microseconds.
 *
 * Reads are synchronous. Writes that come while the writer commits share the next transaction. A
 * profile becomes readable when it is durable. Deleted and replaced profiles are overwritten in the
 * file, because their deletion may be a duty.
 *
 * Nothing is read unverified: the write-ahead log is checked before SQLite reads it, the pages and
 * all rows at the opening, and each row when it is read. A quiet store moves its write-ahead log
 * into the database, so that rows' checksums stand for all profiles. It moves the log of a process
 * that was killed too, and for an erasure that of a busy store.
 */
import { DatabaseSync } from "node:sqlite";
import { present } from "../../../structures/invariant.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import {
  type Attributes,
  type Profile,
  type ProfileKind,
  profileKinds,
  type ProfilePage,
  type ProfileStore,
} from "../../ports/profile_store.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { DamagedFileError } from "./checked_json.ts";
import { ProfileErrors } from "./profile_errors.ts";
import { findPageDamage, ProfileTable, profileTableSql, verifyRows } from "./profile_table.ts";
import {
  type ProfileChange,
  type ProfileCommits,
  type ProfileWrite,
  type ProfileWriterOptions,
  writeHere,
} from "./profile_writer.ts";
import { readFileIfAny } from "./small_file.ts";
import { findWalDamage } from "./wal_check.ts";

export interface SqliteProfileStoreOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Bytes that the file may have before puts fail. Default: no limit. */
  readonly bytesMax?: number;
  /** Opens the writer, for example in another thread. Default: in this thread. */
  readonly openWriter?: (options: ProfileWriterOptions) => ProfileCommits;
}

interface PendingWrite extends ProfileWrite {
  readonly resolve: (change: ProfileChange) => void;
  readonly reject: (error: unknown) => void;
}

/** Profiles of one kind. */
interface Profiles {
  readonly table: ProfileTable;
  readonly listeners: Listeners<[id: string]>;
  count: number;
}

/** Version of the tables, in the file's `user_version`. */
const FORMAT = 3;
/** Names of the tables, in the order in which they are made. */
const TABLES = "user_profile,item_profile";
/** Writes of one transaction; further ones wait for the next. */
const WRITES_PER_COMMIT = 128;
/** Time without writes after which the write-ahead log is moved into the database, ms. */
const CHECKPOINT_DELAY_MS = 1_000;

export class SqliteProfileStore implements ProfileStore {
  readonly isLocal = true;
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #errors: ProfileErrors;
  readonly #profiles: Record<ProfileKind, Profiles>;
  readonly #writer: ProfileCommits;
  readonly #pending: PendingWrite[] = [];
  /** The commits under way, until no write waits. */
  #committing: Promise<void> | undefined;
  #checkpoint: Timer | undefined;
  #isClosed = false;

  /**
   * Opens the store, or makes it, and verifies it.
   *
   * @throws {DamagedFileError} The file or its write-ahead log is damaged, or has another format.
   */
  constructor({ path, clock, bytesMax, openWriter = writeHere }: SqliteProfileStoreOptions) {
    this.#clock = clock;
    const writerOptions = { path, ...(bytesMax !== undefined && { bytesMax }) };
    this.#errors = new ProfileErrors(writerOptions);
    const logBytes = checkedLogBytes(path);
    this.#database = this.#errors.named(() => new DatabaseSync(path));
    try {
      this.#profiles = this.#errors.named(() => this.#open());
      this.#writer = this.#errors.named(() => openWriter(writerOptions));
      this.#errors.isVerified = true;
      if (logBytes > 0) this.#moveLogLater();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  read(kind: ProfileKind, id: string): Promise<Profile | undefined> {
    return Promise.resolve(this.get(kind, id));
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#errors.named(() => this.#profiles[kind].table.get(id));
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return this.#errors.named(() => this.#profiles[kind].table.getMany(ids));
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#profiles[kind].listeners.add(listener);
  }

  async put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    const { after } = await this.#write({ kind, id, attributes });
    return present(after, "a profile is there after its put");
  }

  async replace(
    kind: ProfileKind,
    before: Profile,
    attributes: Attributes,
  ): Promise<Profile | undefined> {
    const { after } = await this.#write({ kind, id: before.id, attributes, expected: before });
    return after;
  }

  async delete(kind: ProfileKind, id: string): Promise<boolean> {
    return (await this.#write({ kind, id, attributes: undefined })).existed;
  }

  list(kind: ProfileKind, after: string | undefined, limit: number): Promise<ProfilePage> {
    return Promise.try(() => {
      const profiles = this.#errors.named(() => this.#profiles[kind].table.list(after, limit));
      return { profiles, next: profiles.at(-1)?.id };
    });
  }

  count(kind: ProfileKind): number {
    return this.#profiles[kind].count;
  }

  /** Moves the write-ahead log into the database: it has the profiles from before their deletes. */
  async dropChanges(): Promise<void> {
    try {
      await this.#writer.moveLog();
    } catch (error) {
      throw this.#errors.nameOf(error);
    }
  }

  async close(): Promise<void> {
    while (this.#pending.length > 0 || this.#committing) await this.#commit();
    this.#isClosed = true;
    this.#checkpoint?.cancel();
    this.#database.close();
    await this.#writer.close();
  }

  #open(): Record<ProfileKind, Profiles> {
    this.#run("PRAGMA journal_mode = WAL");
    const { user_version } = this.#row("PRAGMA user_version");
    const { tables } = this.#row("SELECT group_concat(name) AS tables FROM sqlite_schema");
    if (tables === null) this.#make();
    else if (user_version !== FORMAT) {
      throw this.#errors.damaged(`it has format ${user_version}, and this build reads ${FORMAT}`);
    } else if (tables !== TABLES) throw this.#errors.damaged(`it has the tables ${tables}`);
    const damage = findPageDamage(this.#database);
    if (damage !== undefined) throw this.#errors.damaged(damage);
    return { user: this.#openKind("user"), item: this.#openKind("item") };
  }

  /** Makes the tables, all or none: the disk may be full. */
  #make(): void {
    this.#run("BEGIN IMMEDIATE");
    this.#run(`PRAGMA user_version = ${FORMAT}`);
    for (const kind of profileKinds) this.#run(profileTableSql(kind));
    this.#run("COMMIT");
  }

  #openKind(kind: ProfileKind): Profiles {
    const count = verifyRows(this.#database, kind);
    return { table: new ProfileTable(this.#database, kind), listeners: new Listeners(), count };
  }

  /** A prepared statement, unlike `exec`, reports SQLite's result code. */
  #run(sql: string): void {
    this.#database.prepare(sql).all();
  }

  #row(sql: string): Record<string, unknown> {
    const row = this.#database.prepare(sql).get();
    return present(row, "the query has one row") as Record<string, unknown>;
  }

  /** Writes of one turn of the event loop, and those that come during a commit, go together. */
  #write(write: ProfileWrite): Promise<ProfileChange> {
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0 && !this.#committing) {
        this.#clock.schedule(0, () => void this.#commit());
      }
      const attributes = structuredClone(write.attributes); // the caller may change its own
      this.#pending.push({ ...write, attributes, resolve, reject });
    });
  }

  /** Resolves when no write waits. */
  #commit(): Promise<void> {
    if (this.#pending.length === 0 && !this.#committing) return Promise.resolve();
    return this.#committing ??= this.#commitAll();
  }

  async #commitAll(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.#commitTogether(this.#pending.splice(0, WRITES_PER_COMMIT));
    }
    // In the turn that finds no write, so that the next write begins anew.
    this.#committing = undefined;
    this.#moveLogLater();
  }

  /** Moves the write-ahead log when no write has come for a while, and again where that fails. */
  #moveLogLater(): void {
    if (this.#isClosed) return;
    this.#checkpoint?.cancel();
    this.#checkpoint = this.#clock.schedule(CHECKPOINT_DELAY_MS, () => {
      this.#checkpoint = undefined;
      this.#writer.moveLog().catch(() => {
        if (this.#checkpoint === undefined) this.#moveLogLater();
      });
    });
  }

  async #commitTogether(pending: readonly PendingWrite[]): Promise<void> {
    const writes = pending.map(({ resolve: _, reject: __, ...write }): ProfileWrite => write);
    let changes: ProfileChange[];
    try {
      changes = await this.#writer.commit(writes, this.#clock.nowMs());
    } catch (error) {
      const named = this.#errors.nameOf(error);
      for (const { reject } of pending) reject(named);
      return;
    }
    pending.forEach((write, i) => {
      this.#publish(write, changes[i]);
      write.resolve(changes[i]);
    });
  }

  /** Tells the listeners, which may cache derived values, before the writer of the profile. */
  #publish({ kind, id, expected }: ProfileWrite, { existed, after }: ProfileChange): void {
    if (expected !== undefined && after === undefined) return; // left out
    const profiles = this.#profiles[kind];
    profiles.count += Number(after !== undefined) - Number(existed);
    profiles.listeners.tell(id);
  }
}

/**
 * Bytes of the write-ahead log, after a check of its frames.
 *
 * @throws {DamagedFileError}
 */
function checkedLogBytes(path: string): number {
  const wal = `${path}-wal`;
  const bytes = readFileIfAny(wal);
  const at = bytes === undefined ? undefined : findWalDamage(bytes);
  if (at === undefined) return bytes?.byteLength ?? 0;
  throw new DamagedFileError(
    wal,
    `a damaged frame at byte ${at} would drop the writes behind it`,
    "Restore the file from a copy, or delete it to go on without these writes.",
  );
}
