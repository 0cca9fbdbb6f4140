/**
 * Makes relative paths on the command line relative to the caller's folder: `deno task` runs in the
 * folder of `deno.json` and names the caller's one in `INIT_CWD`.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(new URL("..", import.meta.url)));

/** Changes to the folder from which `deno task` was called. */
export function enterCallersFolder(): void {
  const caller = Deno.env.get("INIT_CWD");
  // Elsewhere the variable is of a package manager that called some other program.
  if (caller === undefined || resolve(Deno.cwd()) !== root) return;
  Deno.chdir(caller);
}
