/**
 * The entry point: passes the arguments to the command line in cli/.
 */
import { runCommandLine } from "./cli/command_line.ts";
import { enterCallersFolder } from "./cli/working_directory.ts";

if (import.meta.main) {
  enterCallersFolder();
  Deno.exit(await runCommandLine(Deno.args));
}
