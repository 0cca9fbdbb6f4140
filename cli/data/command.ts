/**
 * `cairn data`: commands about a whole data directory.
 */
import { Argument, Command } from "commander";
import type { Output } from "../command_line.ts";
import { jsonOption } from "../options.ts";

/** The typed options of `data verify`. */
export interface VerifyFlags {
  readonly json?: true;
}

const help = `
Reads the logs, the snapshots and the profiles, and changes nothing. Run it on a stopped server, or on
a copy: what a running server is writing looks torn.

  deno task cairn data verify data

Exits 1 when something is damaged or missing, with the file and the byte. docs/operations.md says
what each costs and what to do.`;

/** The group of data commands; their work is loaded when one runs. */
export function dataCommand(output: Output): Command {
  return new Command("data").description("check a data directory")
    .addCommand(
      new Command("verify").description("read all files of a data directory and check them")
        .addArgument(new Argument("<folder>", "the data directory (storage.path)"))
        .addOption(jsonOption())
        .addHelpText("after", help)
        .action(async (folder: string, flags: VerifyFlags) => {
          const { verifyCommand } = await import("./verify.ts");
          await verifyCommand(folder, flags, output);
        }),
    );
}
