/**
 * Directories whose entries survive a power failure. POSIX makes a file durable by `fsync` of the
 * file and its name durable by `fsync` of the directory; the same holds for a directory in its
 * parent.
 */
import { dirname, resolve } from "node:path";

/** Makes the names of new, renamed and removed entries of the directory durable. */
export function syncDirectory(directory: string): void {
  const handle = Deno.openSync(directory, { read: true });
  try {
    handle.syncSync();
  } finally {
    handle.close();
  }
}

/** As {@link syncDirectory}, without keeping the calling thread waiting. */
export async function syncDirectoryAsync(directory: string): Promise<void> {
  const handle = await Deno.open(directory, { read: true });
  try {
    await handle.sync();
  } finally {
    handle.close();
  }
}

/** Makes a directory and its missing parents, durably. Does nothing where it is there. */
export function makeDirectory(directory: string): void {
  const made: string[] = [];
  for (let path = resolve(directory); !exists(path); path = dirname(path)) made.push(path);
  if (made.length === 0) return;
  Deno.mkdirSync(directory, { recursive: true });
  for (const path of made.reverse()) syncDirectory(dirname(path));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
