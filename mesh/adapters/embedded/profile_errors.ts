/**
 * Names the errors of the profiles' database: a damaged file, and a disk that is full or fails.
 */
import { profilesFull, ProfileStoreUnavailableError } from "../../ports/profile_store.ts";
import { DamagedFileError } from "./checked_json.ts";
import { ProfileRowError } from "./profile_table.ts";

/** Primary result codes of SQLite: the disk is full or failed, or the file is damaged. */
const [SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB] = [10, 11, 13, 26];
/** An extended result code: the index of the write-ahead log has no room on the disk. */
const SQLITE_IOERR_SHMSIZE = 4_874;

export interface ProfileErrorsOptions {
  readonly path: string;
  readonly bytesMax?: number;
}

export class ProfileErrors {
  readonly #options: ProfileErrorsOptions;
  /** Before its tables are verified, any statement may fail by a damaged schema. */
  isVerified = false;

  constructor(options: ProfileErrorsOptions) {
    this.#options = options;
  }

  /** Runs an operation; its errors of a damaged file or a full disk name the file. */
  named<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      throw this.nameOf(error);
    }
  }

  nameOf(error: unknown): unknown {
    const { path, bytesMax } = this.#options;
    if (error instanceof ProfileRowError) return this.damaged(error.message);
    const extended = Number((error as { errcode?: number }).errcode);
    const code = extended & 0xff;
    if (code === SQLITE_FULL || code === SQLITE_IOERR) {
      const isLimited = code === SQLITE_FULL && bytesMax !== undefined;
      const named = new ProfileStoreUnavailableError(
        path,
        error,
        isLimited ? profilesFull(bytesMax) : undefined,
      );
      const isFull = code === SQLITE_FULL || extended === SQLITE_IOERR_SHMSIZE;
      return isFull ? Object.assign(named, { code: "ENOSPC" }) : named;
    }
    const isDamage = code === SQLITE_CORRUPT || code === SQLITE_NOTADB ||
      !this.isVerified && !(error instanceof DamagedFileError);
    return isDamage ? this.damaged((error as Error).message) : error;
  }

  damaged(reason: string): DamagedFileError {
    return new DamagedFileError(
      this.#options.path,
      reason,
      "Restore the file from a copy, or move it aside and send the profiles again.",
    );
  }
}
