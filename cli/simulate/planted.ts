/**
 * Runs `cairn simulate` with the bug of a plant: from a copy of the source tree in which the edited
 * files differ, so that production code has no switch for it. The copy runs in this process and
 * needs no further permission; it is removed afterwards.
 */
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Plant } from "../../simulation/plants/plant.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { SimulateFlags } from "./command.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Everything at the root that the command imports. */
const sources = [
  "actors",
  "cli",
  "clients",
  "configuration",
  "gateway",
  "kernels",
  "mesh",
  "offline",
  "records",
  "rules",
  "server",
  "simulation",
  "structures",
  "deno.json",
];
/** Build outputs of the kernel. */
const SKIPPED = "target";

/**
 * Runs the command with the bug planted.
 *
 * @param flags As typed, for the run in which the bug is looked for.
 * @returns The exit code.
 * @throws {CommandError} The plant's text does not stand exactly once in its file.
 */
export function runPlanted(
  plant: Plant,
  flags: SimulateFlags,
  output: Output,
): Promise<number> {
  return withPlanted(plant, flags.out, async (tree) => {
    const { simulate } = await import(`${tree}/cli/simulate/simulate.ts`) as {
      simulate(flags: SimulateFlags, output: Output): Promise<void>;
    };
    const { plant: _plant, ...others } = flags;
    try {
      await simulate({ ...others, planted: plant.name }, output);
      return 0;
    } catch (error) {
      // By name: the copy has a class of its own.
      if ((error as Error).name !== "CommandError") throw error;
      output.err(`${(error as Error).message}\n`);
      return (error as CommandError).exitCode;
    }
  });
}

/**
 * Copies the source with the bug planted, and removes the copy after `use`.
 *
 * @param folder Gets the copy.
 * @param use Gets the URL of the copy's root, without a slash at its end.
 * @throws {CommandError} The plant's text does not stand exactly once in its file.
 */
export async function withPlanted<T>(
  plant: Plant,
  folder: string,
  use: (tree: string) => Promise<T>,
): Promise<T> {
  const edited = await editedFiles(plant);
  const tree = resolve(folder, `planted-${plant.name}`);
  try {
    for (const name of sources) await copy(join(root, name), join(tree, name));
    for (const [file, text] of edited) await Deno.writeTextFile(join(tree, file), text);
    return await use(pathToFileURL(tree).href);
  } finally {
    await Deno.remove(tree, { recursive: true }).catch(() => {});
  }
}

async function copy(from: string, to: string): Promise<void> {
  const { isDirectory } = await Deno.stat(from);
  if (!isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    if (name !== SKIPPED) await copy(join(from, name), join(to, name));
  }
}

/** The texts of the plant's files with the bug in them, by path. */
async function editedFiles({ name, edits }: Plant): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const text = texts.get(file) ?? await Deno.readTextFile(join(root, file));
    const places = text.split(find).length - 1;
    if (places !== 1) {
      throw new CommandError(
        `The plant ${name} matches ${places} places of ${file}; it needs one.`,
      );
    }
    texts.set(file, text.replace(find, () => replace));
  }
  return texts;
}
