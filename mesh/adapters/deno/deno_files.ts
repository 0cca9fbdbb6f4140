/**
 * The machine's file system.
 */
import type { Files } from "../../ports/files.ts";
import { dropCachedPages, PageCacheRelease } from "../linux/page_cache.ts";
import { DenoRandom } from "./deno_random.ts";

/** Files of the machine. Open files are those of Deno themselves. */
export const denoFiles: Files = {
  // Processes in several containers may have the same id, and so may one that is started again.
  user: `${Deno.pid}-${new DenoRandom().uuid().slice(0, 8)}`,
  openSync: (path, options) => Deno.openSync(path, options),
  open: (path, options) => Deno.open(path, options),
  readFile: (path) => Deno.readFile(path),
  readFileSync: (path) => Deno.readFileSync(path),
  readDirSync: (path) => Deno.readDirSync(path),
  statSync: (path) => Deno.statSync(path),
  mkdirSync: (path) => Deno.mkdirSync(path, { recursive: true }),
  removeSync: (path) => Deno.removeSync(path),
  remove: (path) => Deno.remove(path),
  rename: (from, to) => Deno.rename(from, to),
  dropCachedPages,
  releasePages: (path, begin) => new PageCacheRelease(path, begin),
};
