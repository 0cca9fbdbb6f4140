/**
 * Lists the source files of the project: TypeScript in its rooms and Rust in its crate, without
 * build outputs and node_modules.
 */

/** Top-level folders that hold the product, in the order in which a newcomer reads them. */
export const rooms: readonly string[] = [
  "gateway",
  "actors",
  "rules",
  "records",
  "kernels",
  "mesh",
  "structures",
  "configuration",
  "server",
  "simulation",
  "offline",
  "cli",
  "clients",
];

/** Absolute paths of all TypeScript sources under `root` (with a trailing slash), ascending. */
export async function listSourceFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  for (const room of ["main.ts", ...rooms, "scripts", "tests"]) {
    const path = root + room;
    const info = await Deno.stat(path).catch(() => undefined);
    if (info?.isFile) files.push(path);
    if (info?.isDirectory) await walk(path, /\.tsx?$/, files);
  }
  return files.sort();
}

/** Absolute paths of the kernel's Rust sources under `root` (with a trailing slash), ascending. */
export async function listRustFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  await walk(`${root}kernels/embedding`, /\.rs$/, files);
  return files.sort();
}

async function walk(folder: string, name: RegExp, files: string[]): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name === "node_modules" || entry.name === "target") continue;
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await walk(path, name, files);
    else if (entry.isFile && name.test(entry.name)) files.push(path);
  }
}

/** The path of a `file:` URL; undefined for any other. */
export function fromFileUrl(url: string): string | undefined {
  return url.startsWith("file://") ? decodeURIComponent(new URL(url).pathname) : undefined;
}
