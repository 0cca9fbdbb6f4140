/**
 * Whole files that are replaced at once: written under a temporary name, synced, renamed. A reader,
 * and a restart after a crash, sees the old content or the new, never a part.
 */
import { syncDirectoryAsync } from "./durable_directory.ts";

/** Bytes of one write. A thread cannot answer requests during a write, so large ones are split. */
const WRITE_BYTES_MAX = 128 * 1024;

let temporaries = 0;

/** Ends the names of files that are being written. */
export const TEMPORARY_SUFFIX = ".tmp";

/**
 * Replaces the file by one with these bytes, one part after another. Resolves when it is durable.
 */
export async function replaceFile(path: string, ...parts: readonly Uint8Array[]): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const temporary = `${path}.${Deno.pid}-${temporaries++}${TEMPORARY_SUFFIX}`;
  try {
    const file = await Deno.open(temporary, { createNew: true, write: true });
    try {
      for (const bytes of parts) {
        for (let at = 0; at < bytes.byteLength;) {
          at += await file.write(bytes.subarray(at, at + WRITE_BYTES_MAX));
        }
      }
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectoryAsync(directory);
}

/** The file's bytes; undefined where there is no such file. */
export function readFileIfAny(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes temporary files below a directory that a crash has left. None may be under way. */
export function removeTemporaries(directory: string): void {
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) removeTemporaries(path);
    else if (entry.isFile && entry.name.endsWith(TEMPORARY_SUFFIX)) Deno.removeSync(path);
  }
}
