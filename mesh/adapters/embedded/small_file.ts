/**
 * Whole files that are replaced at once: written under a temporary name, synced, renamed. A reader,
 * and a restart after a crash, sees the old content or the new, never a part.
 */
import { type Files, isNotFound } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { syncDirectoryAsync } from "./durable_directory.ts";

/** Bytes of one write. A thread cannot answer requests during a write, so large ones are split. */
const WRITE_BYTES_MAX = 128 * 1024;

let temporaries = 0;

/** Ends the names of files that are being written. */
export const TEMPORARY_SUFFIX = ".tmp";

/** Whether a path is that of a temporary file. */
export function isTemporary(path: string): boolean {
  return path.endsWith(TEMPORARY_SUFFIX);
}

/** The path that {@link replaceFile} would give a temporary file; undefined for other files. */
export function targetOfTemporary(path: string): string | undefined {
  return /^(.+)\.[^./]+\.tmp$/.exec(path)?.[1];
}

/**
 * Replaces the file by one with these bytes, one part after another. Resolves when it is durable.
 *
 * @throws {Error} The bytes cannot be written, or the temporary file was removed meanwhile.
 */
export async function replaceFile(
  path: string,
  parts: readonly Uint8Array[],
  files: Files,
): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const temporary = `${path}.${files.user}-${temporaries++}${TEMPORARY_SUFFIX}`;
  try {
    const file = await files.open(temporary, { createNew: true, write: true });
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
    await files.rename(temporary, path).catch((cause) => {
      if (!isNotFound(cause)) throw cause;
      const reason = "its temporary file was removed before it was complete";
      throw new Error(`Cannot write ${path}: ${reason}. Write it again.`, { cause });
    });
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectoryAsync(directory, files);
}

/** The file's bytes; undefined where there is no such file. */
export function readFileIfAny(
  path: string,
  files: Files = denoFiles,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    return files.readFileSync(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Removes temporary files below a directory that a crash has left. None may be under way. */
export function removeTemporaries(directory: string, files: Files = denoFiles): void {
  for (const entry of files.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) removeTemporaries(path, files);
    else if (entry.isFile && isTemporary(entry.name)) files.removeSync(path);
  }
}
