/**
 * Whole files that are replaced at once: written under a temporary name, synced, renamed. A reader, and a restart
 * after a crash, sees the old content or the new, never a part.
 */
import { syncDirectory } from "./segment_files.ts";

/** Bytes of one write: a thread that writes keeps its core until the system has them, whoever else wants it. */
const writeBytesMax = 128 * 1024;

let temporaries = 0;

export const temporarySuffix = ".tmp";

export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const temporary = `${path}.${Deno.pid}-${temporaries++}${temporarySuffix}`;
  try {
    const file = await Deno.open(temporary, { createNew: true, write: true });
    try {
      for (let at = 0; at < bytes.byteLength;) {
        at += await file.write(bytes.subarray(at, at + writeBytesMax));
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
  syncDirectory(directory);
}

export function readFileIfAny(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
