/**
 * Data directories below the system's temporary one, which end with their process. A process that
 * is killed leaves its directory; the next process removes directories without a lock.
 */
import { dirname } from "node:path";

const PREFIX = "cairn-memory-";
/** Age from which a directory without a lock is abandoned, ms: a new one is locked at once. */
const ABANDONED_MS = 60_000;

/**
 * A directory that {@link openDataDirectory} locks; removes abandoned ones beside it.
 *
 * @param parent The system's temporary directory by default.
 */
export function makeTemporaryDirectory(nowMs: number, parent?: string): string {
  const path = Deno.makeTempDirSync({
    prefix: PREFIX,
    ...(parent !== undefined && { dir: parent }),
  });
  removeAbandoned(dirname(path), nowMs);
  return path;
}

function removeAbandoned(parent: string, nowMs: number): void {
  for (const { name, isDirectory } of Deno.readDirSync(parent)) {
    if (!isDirectory || !name.startsWith(PREFIX)) continue;
    try {
      removeUnlocked(`${parent}/${name}`, nowMs);
    } catch {
      // Another process has removed it, or it is another user's. No start may fail by that.
    }
  }
}

function removeUnlocked(path: string, nowMs: number): void {
  using lock = Deno.openSync(`${path}/lock`, { read: true, write: true });
  const { mtime } = lock.statSync();
  if (mtime === null || nowMs - mtime.getTime() < ABANDONED_MS) return;
  if (lock.tryLockSync(true)) Deno.removeSync(path, { recursive: true });
}
