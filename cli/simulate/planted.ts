/**
 * Runs `cairn simulate` in a process of its own in which one production file is replaced: the bug
 * of a plant is served through an import map, so production code has no switch for it.
 */
import { fileURLToPath } from "node:url";
import metadata from "../../deno.json" with { type: "json" };
import type { Plant } from "../../simulation/plants/plant.ts";
import { CommandError } from "../errors.ts";

const root = new URL("../../", import.meta.url);

/**
 * Runs the command line with the bug planted; its output goes to this process's.
 *
 * @returns The exit code.
 * @throws {CommandError} The plant's text does not stand exactly once in its file.
 */
export async function runPlanted(plant: Plant, args: readonly string[]): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-plant-" });
  try {
    const planted: Record<string, string> = {};
    const files = [...new Set(plant.edits.map(({ file }) => file))];
    for (const [i, file] of files.entries()) {
      const path = `${folder}/planted-${i}.ts`;
      await Deno.writeTextFile(path, await plantedText(plant, file));
      planted[new URL(file, root).href] = `file://${path}`;
    }
    const importMap = `${folder}/imports.json`;
    await Deno.writeTextFile(
      importMap,
      JSON.stringify({
        imports: {
          ...withFolders(metadata.imports),
          ...planted,
        },
      }),
    );
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `--config=${fileURLToPath(new URL("deno.json", root))}`,
        `--import-map=${importMap}`,
        fileURLToPath(new URL("main.ts", root)),
        "simulate",
        `--planted=${plant.name}`,
        ...args,
      ],
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    return code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** In an import map a package's folders are entries of their own; deno.json implies them. */
function withFolders(imports: Readonly<Record<string, string>>): Record<string, string> {
  const folders = Object.entries(imports).flatMap(([name, target]) => {
    const [, scheme, path] = /^(npm|jsr):\/?(.+)$/.exec(target) ?? [];
    return path === undefined ? [] : [[`${name}/`, `${scheme}:/${path}/`] as const];
  });
  return { ...imports, ...Object.fromEntries(folders) };
}

/** The file with the bug in it. Its relative imports become absolute, since it lies elsewhere. */
async function plantedText({ name, edits }: Plant, file: string): Promise<string> {
  const url = new URL(file, root);
  let text = await Deno.readTextFile(url);
  for (const { find, replace } of edits.filter((edit) => edit.file === file)) {
    const places = text.split(find).length - 1;
    if (places !== 1) {
      throw new CommandError(
        `The plant ${name} matches ${places} places of ${file}; it needs one.`,
        1,
      );
    }
    text = text.replace(find, () => replace);
  }
  return text.replaceAll(
    /(from|import\() ?"(\.[^"]*)"/g,
    (_, keyword: string, path: string) => `${keyword} "${new URL(path, url).href}"`,
  );
}
