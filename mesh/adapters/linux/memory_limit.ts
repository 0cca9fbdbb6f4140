/**
 * The memory that this process may use: the machine's, or less where a control group limits it, as
 * it does in a container. Deno's own figure is the machine's.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
 */

/** @returns The text of a file, or undefined where there is none. */
export type ReadFile = (path: string) => string | undefined;

/**
 * The smallest limit of the process's control group and the groups above it, in bytes. In a
 * container the groups above are hidden, and its own group appears as the topmost.
 *
 * @param machineBytes The machine's memory, which bounds the result.
 */
export function memoryLimitBytes(machineBytes: number, readFile: ReadFile = readText): number {
  let limit = machineBytes;
  for (const file of limitFiles(readFile("/proc/self/cgroup") ?? "")) {
    // Version 2 writes "max" for no limit; version 1 writes a number above all memory.
    const bytes = Number(readFile(file)?.trim() || "max");
    if (Number.isFinite(bytes) && bytes > 0 && bytes < limit) limit = bytes;
  }
  return limit;
}

/** The files with the limits of all groups that `/proc/self/cgroup` names, and of those above. */
function* limitFiles(groups: string): Generator<string> {
  for (const line of groups.split("\n")) {
    const [hierarchy, controllers, ...rest] = line.split(":");
    const folder = rest.join(":");
    if (hierarchy === "0" && controllers === "") {
      yield* upwards("/sys/fs/cgroup", folder, "memory.max");
    } else if (controllers?.split(",").includes("memory")) {
      yield* upwards("/sys/fs/cgroup/memory", folder, "memory.limit_in_bytes");
    }
  }
}

function* upwards(root: string, folder: string, file: string): Generator<string> {
  const names = folder.split("/").filter((name) => name !== "");
  for (let depth = names.length; depth >= 0; depth--) {
    yield [root, ...names.slice(0, depth), file].join("/");
  }
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Not Linux, another layout of control groups, or a group that is hidden.
    return undefined;
  }
}
