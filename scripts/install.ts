/**
 * Installs the command `cairn` for one user: a script that runs this checkout with the Deno that
 * runs now and the V8 flags of the task `tuned`, from any folder.
 *
 *     deno task install [--root <folder>]     the script goes to <folder>/bin; default ~/.local
 */
import { parseArgs } from "node:util";
import metadata from "../deno.json" with { type: "json" };

/** The text of the script. */
export function commandScript(deno: string, root: string, tuned: string): string {
  const [program, ...args] = tuned.split(" ");
  if (program !== "deno") throw new Error(`The task "tuned" runs ${program}, not deno`);
  const quoted = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;
  const config = quoted(`${root}deno.json`);
  return `#!/bin/sh
# Made by deno task install.
exec ${quoted(deno)} ${args.join(" ")} --config ${config} ${quoted(`${root}main.ts`)} "$@"
`;
}

if (import.meta.main) {
  const home = Deno.env.get("HOME") ?? ".";
  const { values: { root: target } } = parseArgs({
    options: { root: { type: "string", default: `${home}/.local` } },
  });
  const root = new URL("../", import.meta.url).pathname;
  const file = `${target}/bin/cairn`;
  await Deno.mkdir(`${target}/bin`, { recursive: true });
  await Deno.writeTextFile(file, commandScript(Deno.execPath(), root, metadata.tasks.tuned), {
    mode: 0o755,
  });
  await Deno.chmod(file, 0o755);
  const path = (Deno.env.get("PATH") ?? "").split(":");
  console.log(`${file} runs ${root}main.ts.`);
  if (!path.includes(`${target}/bin`)) console.log(`Add ${target}/bin to PATH.`);
}
