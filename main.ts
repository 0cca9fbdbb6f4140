/**
 * Cairn's command line: reads what was typed and hands it to the commands in cli/.
 */
import { runCommandLine } from "./cli/command_line.ts";

if (import.meta.main) Deno.exit(await runCommandLine(Deno.args));
