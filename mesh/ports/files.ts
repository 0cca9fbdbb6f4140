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
  /** @returns The bytes read, which may be fewer than asked for; null at the end of the file. */
  readSync(into: Uint8Array): number | null;
  /** @returns The bytes written, which may be fewer than given. */
  writeSync(bytes: Uint8Array): number;
  write(bytes: Uint8Array): Promise<number>;
  seekSync(offset: number, whence: typeof SEEK_START): number;
  truncateSync(length: number): void;
  statSync(): { readonly size: number };
  /** Makes the content durable. */
  syncData(): Promise<void>;
  syncDataSync(): void;
  /** Makes content and attributes durable; for a directory, the names in it. */
  sync(): Promise<void>;
  syncSync(): void;
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
  /** @param synced Bytes of the file that are on the disk. */
  follow(synced: number): void;
  close(): Promise<void>;
}

/** A file system. Its errors say what is wrong in `name` (`NotFound`) or `code` (`ENOTEMPTY`). */
export interface Files {
  /** In the names of temporary files: tells apart the processes that use a directory. */
  readonly user: string;
  openSync(path: string, options: OpenFileOptions): OpenFile;
  open(path: string, options: OpenFileOptions): Promise<OpenFile>;
  readFileSync(path: string): Uint8Array<ArrayBuffer>;
  readDirSync(path: string): Iterable<DirectoryEntry>;
  statSync(path: string): { readonly size: number };
  /** Makes a directory and its missing parents. */
  mkdirSync(path: string): void;
  removeSync(path: string): void;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Drops pages of the file that are on the disk: the next reads come from the disk. */
  dropCachedPages(path: string): void;
  /** @param begin Byte at which writing begins; pages before it are left to the system. */
  releasePages(path: string, begin: number): PageRelease;
}

/** Whether a call failed because there is no such file or directory. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === "NotFound";
}
