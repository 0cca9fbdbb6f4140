/**
 * Writes profiles to SQLite through a connection of its own, which shares nothing with the reading
 * one: so it may live in another thread, where a sync of the disk holds up no request.
 */
import { DatabaseSync } from "node:sqlite";
import {
  type Attributes,
  isUnchanged,
  type Profile,
  type ProfileKind,
} from "../../ports/profile_store.ts";
import { ProfileTable } from "./profile_table.ts";

export interface ProfileWriterOptions {
  readonly path: string;
  /** Bytes that the file may have before writes fail. Default: no limit. */
  readonly bytesMax?: number;
}

export interface ProfileWrite {
  readonly kind: ProfileKind;
  readonly id: string;
  /** Undefined = the profile is deleted. */
  readonly attributes: Attributes | undefined;
  /** The write is left out unless the profile is still this one. */
  readonly expected?: Profile;
}

/** Whether there was a profile, and the profile after the write. */
export interface ProfileChange {
  readonly existed: boolean;
  readonly after: Profile | undefined;
}

/** A writer in this thread or in another one. Calls take effect in their order. */
export interface ProfileCommits {
  /**
   * Writes all profiles durably in one transaction, or none.
   *
   * @returns The changes, in the order of the writes.
   * @throws {Error} With SQLite's `errcode`, where it refused a statement.
   */
  commit(writes: readonly ProfileWrite[], nowMs: number): Promise<ProfileChange[]>;
  /**
   * Moves the write-ahead log into the database, and empties its file.
   *
   * @throws {Error} The log stays: another connection reads, or the disk takes no write.
   */
  moveLog(): Promise<void>;
  close(): Promise<void>;
}

export class ProfileWriter {
  readonly #database: DatabaseSync;
  readonly #tables: Record<ProfileKind, ProfileTable>;

  /** Opens a database whose tables exist. */
  constructor({ path, bytesMax }: ProfileWriterOptions) {
    this.#database = new DatabaseSync(path);
    this.#run("PRAGMA synchronous = FULL");
    this.#run("PRAGMA secure_delete = ON");
    if (bytesMax !== undefined) {
      const { page_size } = this.#database.prepare("PRAGMA page_size").get() ?? {};
      this.#run(`PRAGMA max_page_count = ${Math.max(1, Math.floor(bytesMax / Number(page_size)))}`);
    }
    this.#tables = {
      user: new ProfileTable(this.#database, "user"),
      item: new ProfileTable(this.#database, "item"),
    };
  }

  commit(writes: readonly ProfileWrite[], nowMs: number): ProfileChange[] {
    this.#run("BEGIN IMMEDIATE");
    try {
      const changes = writes.map((write) => this.#apply(write, nowMs));
      this.#run("COMMIT");
      return changes;
    } catch (error) {
      if (this.#database.isTransaction) this.#run("ROLLBACK");
      throw error;
    }
  }

  moveLog(): void {
    const outcome = this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    if (outcome?.busy !== 0) {
      throw new Error("The write-ahead log of the profiles stays: another connection reads them.");
    }
  }

  close(): void {
    this.#database.close();
  }

  #apply({ kind, id, attributes, expected }: ProfileWrite, nowMs: number): ProfileChange {
    const table = this.#tables[kind];
    const before = table.get(id); // a write of this transaction included
    const existed = before !== undefined;
    if (expected && !isUnchanged(before, expected)) return { existed, after: undefined };
    const after = attributes && {
      id,
      attributes,
      updatedAtMs: nowMs,
      version: (before?.version ?? 0) + 1,
    };
    if (after) table.write(after);
    else if (existed) table.delete(id);
    return { existed, after };
  }

  /** A prepared statement, unlike `exec`, reports SQLite's result code. */
  #run(sql: string): void {
    this.#database.prepare(sql).all();
  }
}

/** A writer in the calling thread, which waits for the disk in each commit. */
export function writeHere(options: ProfileWriterOptions): ProfileCommits {
  const writer = new ProfileWriter(options);
  return {
    commit: (writes, nowMs) => Promise.try(() => writer.commit(writes, nowMs)),
    moveLog: () => Promise.try(() => writer.moveLog()),
    close: () => Promise.try(() => writer.close()),
  };
}
