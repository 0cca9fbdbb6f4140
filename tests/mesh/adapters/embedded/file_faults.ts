/**
 * Faults of the file system, made by replacing methods of Deno's files for the time of a test.
 */
type FileMethod = "syncSync" | "syncDataSync" | "syncData" | "readSync";

/**
 * Calls `before` ahead of each call of a method of any file; an error that it throws is the call's.
 */
export function beforeCalls(method: FileMethod, before: () => void): { [Symbol.dispose](): void } {
  const prototype = Deno.FsFile.prototype as unknown as Record<
    string,
    (...parameters: unknown[]) => unknown
  >;
  const original = prototype[method];
  prototype[method] = function (...parameters) {
    before();
    return original.apply(this, parameters);
  };
  return {
    [Symbol.dispose]() {
      prototype[method] = original;
    },
  };
}

/** Fails the calls of a method, from now on. */
export function failing(method: FileMethod): { [Symbol.dispose](): void } {
  return beforeCalls(method, () => {
    throw new Error("Input/output error (os error 5)");
  });
}

/** Lets the calls of an asynchronous method wait, from now on. */
export function slow(method: "syncData", until: Promise<void>): { [Symbol.dispose](): void } {
  const prototype = Deno.FsFile.prototype;
  const original = prototype[method];
  prototype[method] = async function () {
    await until;
    await original.call(this);
  };
  return {
    [Symbol.dispose]() {
      prototype[method] = original;
    },
  };
}

/** The directories that were synced since, by path. */
export function syncedDirectories(): { readonly paths: string[]; [Symbol.dispose](): void } {
  const paths: string[] = [];
  const { openSync } = Deno;
  let opened = "";
  Deno.openSync = (path, options) => {
    opened = String(path);
    return openSync(path, options);
  };
  const calls = beforeCalls("syncSync", () => void paths.push(opened));
  return {
    paths,
    [Symbol.dispose]() {
      Deno.openSync = openSync;
      calls[Symbol.dispose]();
    },
  };
}
