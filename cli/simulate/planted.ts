/**
 * Runs `cairn simulate` in a process of its own in which one production file is replaced: the bug
 * of a plant is served through an import map, so production code has no switch for it.
 */
import { fileURLToPath } from "node:url";
import metadata from "../../deno.json" with { type: "json" };
import type { Plant } from "../../simulation/plants/plants.ts";
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
    const planted = `${folder}/planted.ts`;
    await Deno.writeTextFile(planted, await plantedText(plant));
    const importMap = `${folder}/imports.json`;
    await Deno.writeTextFile(
      importMap,
      JSON.stringify({
        imports: {
          ...metadata.imports,
          [new URL(plant.file, root).href]: `file://${planted}`,
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

/** The file with the bug in it. Its relative imports become absolute, since it lies elsewhere. */
async function plantedText({ name, file, find, replace }: Plant): Promise<string> {
  const url = new URL(file, root);
  const text = await Deno.readTextFile(url);
  const places = text.split(find).length - 1;
  if (places !== 1) {
    throw new CommandError(
      `The plant ${name} matches ${places} places of ${file}; it needs one.`,
      1,
    );
  }
  return text.replace(find, () => replace).replaceAll(
    /(from|import\() ?"(\.[^"]*)"/g,
    (_, keyword: string, path: string) => `${keyword} "${new URL(path, url).href}"`,
  );
}
