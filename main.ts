/**
 * The entry point: passes the arguments to the command line in cli/.
 */
import { runCommandLine } from "./cli/command_line.ts";

if (import.meta.main) Deno.exit(await runCommandLine(Deno.args));
