/**
 * Builds the package: the modules as JavaScript, the command `cairn` for Node's package managers,
 * Deno in the version of this build as a dependency.
 *
 *     deno task package [--out <folder>]     writes cairn-<version>.tgz there; default: here
 */
import { parseArgs } from "node:util";
import metadata from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url).pathname;
/** Dependencies of the tests alone, and of `simulate()`, whose users bring their own version. */
const NOT_IN_THE_PACKAGE: readonly string[] = ["fast-check", "hyparquet-writer"];

if (import.meta.main) {
  const { values: { out } } = parseArgs({ options: { out: { type: "string", default: "." } } });
  console.log(await buildPackage(out));
}

/**
 * @param out Folder of the result.
 * @returns The path of the tarball.
 */
export async function buildPackage(out: string): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "cairn-package-" });
  try {
    // `deno pack` translates modules and their imports; the manifest and the command are ours.
    const translated = `${work}/translated.tgz`;
    await run("deno", ["pack", "--allow-slow-types", "--allow-dirty", "-o", translated], ROOT);
    await run("tar", ["xzf", translated, "-C", work], work);
    const folder = `${work}/package`;
    await translateRest(folder);
    await rewriteTexts(folder);
    await requireWorkers(folder);
    await writeManifests(folder);
    await Deno.mkdir(`${folder}/bin`);
    await Deno.copyFile(`${ROOT}scripts/package/cairn.mjs`, `${folder}/bin/cairn.mjs`);
    await Deno.chmod(`${folder}/bin/cairn.mjs`, 0o755);
    await Deno.copyFile(`${folder}/docs/install.md`, `${folder}/README.md`);
    const tarball = `cairn-${metadata.version}.tgz`;
    await run("tar", ["czf", `${work}/${tarball}`, "package"], work);
    await Deno.copyFile(`${work}/${tarball}`, `${out}/${tarball}`);
    return `${out}/${tarball}`;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** `deno pack` translates the modules that others import; a worker's entry is named by its URL. */
async function translateRest(folder: string): Promise<void> {
  for await (const path of filesBelow(folder, ".ts")) {
    const translated = path.replace(/\.ts$/, ".js");
    await run("deno", ["transpile", "--no-check", "-o", translated, path], ROOT);
    const text = await Deno.readTextFile(translated);
    await Deno.writeTextFile(
      translated,
      text.replaceAll(/((?:from |import ?\(?)"\.[^"]*)\.ts"/g, `$1.js"`),
    );
    await Deno.remove(path);
  }
}

/** Requires a file for each worker that a module starts. */
async function requireWorkers(folder: string): Promise<void> {
  for await (const path of filesBelow(folder, ".js")) {
    const text = await Deno.readTextFile(path);
    for (const [, entry] of text.matchAll(/new URL\("(\.[^"]*\.js)", import\.meta\.url\)/g)) {
      const file = new URL(entry, `file://${path}`).pathname;
      const found = await Deno.stat(file).catch(() => undefined);
      if (found === undefined) throw new Error(`${path} starts ${file}, which is not there`);
    }
  }
}

async function* filesBelow(folder: string, ending: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`, ending);
    else if (name.endsWith(ending)) yield `${folder}/${name}`;
  }
}

/** `deno pack` leaves the names of workers and of commands as a clone has them. */
async function rewriteTexts(folder: string): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await rewriteTexts(path);
    else if (/\.(js|md|yaml)$/.test(entry.name)) {
      await Deno.writeTextFile(path, asInPackage(await Deno.readTextFile(path)));
    }
  }
}

/** A text of the repository as the package says it. */
export function asInPackage(text: string): string {
  return text
    .replaceAll(/(new URL\("\.[^"]*)\.ts"/g, `$1.js"`)
    .replaceAll(
      /(?:npx -y )?deno task (cairn|demo:mesh|demo|simulate)\b/g,
      (_, task: string) => task === "cairn" ? "cairn" : `cairn ${task.replace(":", "-")}`,
    );
}

async function writeManifests(folder: string): Promise<void> {
  const file = `${folder}/package.json`;
  const packed = JSON.parse(await Deno.readTextFile(file));
  const dependencies = Object.fromEntries(
    Object.entries(metadata.imports)
      .filter(([name]) => !NOT_IN_THE_PACKAGE.includes(name))
      .map(([name, specifier]) => [name, specifier.slice(`npm:${name}@`.length)]),
  );
  const manifest = {
    ...packed,
    description: "Real-time recommendations: rank over HTTP, learn from what people do.",
    bin: { cairn: "bin/cairn.mjs" },
    dependencies: { ...dependencies, deno: Deno.version.deno },
  };
  await Deno.writeTextFile(file, JSON.stringify(manifest, undefined, 2) + "\n");
  // The keys that the program reads, and those with which Deno runs it outside node_modules.
  const {
    tasks: { tuned },
    unstable,
    publish: _,
    compilerOptions: _c,
    fmt: _f,
    lint: _l,
    ...rest
  } = metadata;
  const flags = unstable.map((feature) => `--unstable-${feature}`).join(" ");
  const configuration = {
    ...rest,
    unstable,
    // The caller's folder decides nothing: not its deno.json, not where modules are.
    tasks: { tuned: `${tuned} --no-config --node-modules-dir=manual ${flags}` },
  };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(configuration, undefined, 2));
}

async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  const command = new Deno.Command(program === "deno" ? Deno.execPath() : program, {
    args: [...args],
    cwd,
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
