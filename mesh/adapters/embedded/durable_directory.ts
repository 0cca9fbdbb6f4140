/**
 * Directories whose entries survive a power failure. POSIX makes a file durable by `fsync` of the
 * file and its name durable by `fsync` of the directory; the same holds for a directory in its
 * parent.
 */
import { dirname, resolve } from "node:path";
import { type Files, isNotFound } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";

/** Makes the names of new, renamed and removed entries of the directory durable. */
export function syncDirectory(directory: string, files: Files = denoFiles): void {
  const handle = files.openSync(directory, { read: true });
  try {
    handle.syncSync();
  } finally {
    handle.close();
  }
}

/** As {@link syncDirectory}, without keeping the calling thread waiting. */
export async function syncDirectoryAsync(directory: string, files: Files): Promise<void> {
  const handle = await files.open(directory, { read: true });
  try {
    await handle.sync();
  } finally {
    handle.close();
  }
}

/**
 * Makes a directory and its missing parents, durably. Does nothing where it is there. A sync that
 * fails leaves none of them, because a later call would take them for durable.
 */
export function makeDirectory(directory: string, files: Files = denoFiles): void {
  /** Deepest first. */
  const made: string[] = [];
  for (let path = resolve(directory); !exists(path, files); path = dirname(path)) made.push(path);
  if (made.length === 0) return;
  files.mkdirSync(directory);
  try {
    for (const path of made.toReversed()) syncDirectory(dirname(path), files);
  } catch (error) {
    for (const path of made) removeIfEmpty(path, files);
    throw error;
  }
}

function removeIfEmpty(path: string, files: Files): void {
  try {
    files.removeSync(path);
  } catch {
    // Another thread has put something there.
  }
}

function exists(path: string, files: Files): boolean {
  try {
    files.statSync(path);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
