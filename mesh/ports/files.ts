/**
 * The file system, as the stores of a data directory use it. Deno's files are one implementation; a
 * simulation has another whose disk loses, tears and refuses writes.
 *
 * Synchronous calls are those that a log's writer makes between two turns of its event loop: the
 * page cache takes them. A call that may wait for the disk is asynchronous, except at an opening
 * and where a segment is begun.
 */

/** How a file is opened. */
export interface OpenFileOptions {
  readonly read?: boolean;
  readonly write?: boolean;
  /** Makes the file where it is missing. */
  readonly create?: boolean;
  /** Makes the file, and fails where it is there. */
  readonly createNew?: boolean;
  readonly truncate?: boolean;
}

/** Counts a position from the beginning of the file. */
export const SEEK_START = 0;

/** An open file. `Deno.FsFile` is such a file as it is. */
export interface OpenFile {
  /** Reads on. @returns The bytes read, perhaps fewer than asked for; null at the end. */
  readSync(into: Uint8Array): number | null;
  /** Writes on. @returns The bytes written, which may be fewer than given. */
  writeSync(bytes: Uint8Array): number;
  /** As {@link writeSync}, without keeping the thread waiting. */
  write(bytes: Uint8Array): Promise<number>;
  /** Sets the position of the next read or write. */
  seekSync(offset: number, whence: typeof SEEK_START): number;
  /** Truncates the file, or extends it with zeros. */
  truncateSync(length: number): void;
  /** The length of the file, bytes. */
  statSync(): { readonly size: number };
  /** Makes the content durable. */
  syncData(): Promise<void>;
  /** As {@link syncData}, and keeps the thread waiting. */
  syncDataSync(): void;
  /** Makes content and attributes durable; for a directory, the names in it. */
  sync(): Promise<void>;
  /** As {@link sync}, and keeps the thread waiting. */
  syncSync(): void;
  /** Ends the use of the file; its content stays as durable as it was. */
  close(): void;
}

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** Gives cached pages of a file that grows back to the system. */
export interface PageRelease {
  /**
   * Gives back the pages that are far enough behind. @param synced Bytes of the file on the disk.
   */
  follow(synced: number): void;
  /** Resolves when no call is under way. */
  close(): Promise<void>;
}

/**
 * A file system. Its errors say what is wrong in `name` (`NotFound`) or `code` (`ENOTEMPTY`,
 * `ENOSPC`).
 */
export interface Files {
  /** Tells apart the threads that write to a directory, in names of temporary files. No dots. */
  readonly user: string;
  /** Opens a file. @throws {Error} Named `NotFound`, where it is missing and not to be made. */
  openSync(path: string, options: OpenFileOptions): OpenFile;
  /** As {@link openSync}, without keeping the thread waiting. */
  open(path: string, options: OpenFileOptions): Promise<OpenFile>;
  /** All bytes of a file, read while the thread does other work. */
  readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** As {@link readFile}, and keeps the thread waiting. */
  readFileSync(path: string): Uint8Array<ArrayBuffer>;
  /** The names in a directory, in any order. */
  readDirSync(path: string): Iterable<DirectoryEntry>;
  /** The length of a file, bytes; fails where there is none. */
  statSync(path: string): { readonly size: number };
  /** Makes a directory and its missing parents. */
  mkdirSync(path: string): void;
  /** Removes a file, or a directory that is empty. */
  removeSync(path: string): void;
  /** As {@link removeSync}, without keeping the thread waiting. */
  remove(path: string): Promise<void>;
  /** Renames a file within its directory; a file of the new name is replaced at once. */
  rename(from: string, to: string): Promise<void>;
  /** Drops pages of the file that are on the disk: the next reads come from the disk. */
  dropCachedPages(path: string): void;
  /** For a file that grows. @param begin Byte at which writing begins; pages before it stay. */
  releasePages(path: string, begin: number): PageRelease;
}

/** Whether a call failed because there is no such file or directory. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === "NotFound";
}

/** Whether a call failed, or the call that caused it, because the disk or a quota of it is full. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || isDiskFull(error.cause);
}
