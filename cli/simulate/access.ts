/**
 * The folders that `cairn simulate` may read and write. As a task it has permission for its own
 * files and for its caller's folder alone, so that a run cannot reach the machine.
 */
import { resolve } from "node:path";
import { CommandError } from "../errors.ts";

const USAGE = 1;

/** Refuses a path before the run, which may take hours until it needs the path. */
export function requireAccess(name: "read" | "write", option: string, path: string): void {
  const { state } = Deno.permissions.querySync({ name, path: resolve(path) });
  if (state === "granted") return;
  throw new CommandError(
    `${option} ${path}: this command may not ${name} there. Give a path below ${Deno.cwd()}, or ` +
      `call it as "deno task cairn simulate", which may ${name} all files.`,
    USAGE,
  );
}
