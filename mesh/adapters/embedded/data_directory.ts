/**
 * The directory of all files of a single-machine mesh, used by one process at a time.
 */
import { makeDirectory } from "./durable_directory.ts";
import { removeTemporaries } from "./small_file.ts";

export interface DataDirectory {
  readonly path: string;
  release(): void;
}

/** The directory cannot be used; its message says what the operator can do. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/**
 * Makes the directory where it is missing, locks it, and removes temporary files that a crash left.
 * The lock ends with the process, however that ends.
 *
 * @throws {DataDirectoryError} When another process holds it, or it cannot be made.
 */
export function openDataDirectory(path: string): DataDirectory {
  const file = openLock(path);
  if (!file.tryLockSync(true)) {
    file.close();
    throw new DataDirectoryError(
      `The data directory ${path} is in use by another process. Stop that one, or set storage.path to another directory.`,
    );
  }
  removeTemporaries(path);
  return {
    path,
    release() {
      file.unlockSync();
      file.close();
    },
  };
}

function openLock(path: string): Deno.FsFile {
  try {
    makeDirectory(path);
    return Deno.openSync(`${path}/lock`, { create: true, write: true, read: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataDirectoryError(
      `Cannot keep data in ${path}: ${reason}. Set storage.path to a directory that may be written.`,
      { cause },
    );
  }
}
