/**
 * Other builds of the program: copies of its sources with changes, which share its modules.
 */
import assert from "node:assert/strict";
import { rooms } from "../../scripts/source_files.ts";

const root = new URL("../../", import.meta.url).pathname;

/** A text of a file and its replacement. */
export interface SourceChange {
  /** Relative to the root of the sources. */
  readonly path: string;
  readonly from: RegExp;
  readonly to: string;
}

/**
 * Copies the sources that run into the folder, which is made, with the changes.
 *
 * @returns The path of the build's main module.
 */
export async function copyBuild(folder: string, changes: readonly SourceChange[]): Promise<string> {
  await Deno.mkdir(folder);
  const parts = ["main.ts", "deno.json", "deno.lock", "examples", ...rooms];
  const copied = await new Deno.Command("cp", {
    args: ["-r", ...parts.map((part) => root + part), folder],
  }).output();
  assert.ok(copied.success, new TextDecoder().decode(copied.stderr));
  await Deno.symlink(`${root}node_modules`, `${folder}/node_modules`);
  for (const { path, from, to } of changes) {
    const text = await Deno.readTextFile(`${folder}/${path}`);
    assert.match(text, from, `${path} has the text that another build has otherwise`);
    await Deno.writeTextFile(`${folder}/${path}`, text.replace(from, to));
  }
  return `${folder}/main.ts`;
}
