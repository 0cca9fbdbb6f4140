/**
 * The directory in which a single-machine mesh keeps everything, held by one process at a time.
 */
export interface DataDirectory {
  readonly path: string;
  release(): void;
}

/**
 * Makes the directory if need be and locks it. The lock goes with the process, however that ends.
 *
 * @throws {Error} When another process holds it.
 */
export function openDataDirectory(path: string): DataDirectory {
  Deno.mkdirSync(path, { recursive: true });
  const file = Deno.openSync(`${path}/lock`, { create: true, write: true, read: true });
  if (!file.tryLockSync(true)) {
    file.close();
    throw new Error(
      `The data directory ${path} is in use by another process. Stop that one, or set storage.path to another directory.`,
    );
  }
  return {
    path,
    release() {
      file.unlockSync();
      file.close();
    },
  };
}
