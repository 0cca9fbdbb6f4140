/**
 * `cairn data`: commands about a whole data directory.
 */
import { Argument, Command } from "commander";
import type { Output } from "../command_line.ts";
import { jsonOption } from "../options.ts";

/** The typed options of the data commands. */
export interface DataFlags {
  readonly json?: true;
}

/** The typed options of `data backup`. */
export interface BackupFlags extends DataFlags {
  readonly snapshotsOnly?: true;
}

const help = `
Reads the logs, the snapshots and the profiles, and changes nothing. Run it on a stopped server, or on
a copy: what a running server is writing looks torn.

  deno task cairn data verify data

Exits 1 when something is damaged or missing, with the file and the byte. docs/operations.md says
what each costs and what to do.`;

const quarantineHelp = `
A row is put aside where its loss is not finite or explodes. Its label and its dense values tell
why; the ids are its features. Rows that were passed over lie between a snapshot and the moment when
the trainer went back to it, since its model refused most examples.

  deno task cairn data quarantine data`;

const backupHelp = `
Copies the logs, the newest snapshot, the profiles and the examples put aside, and verifies the copy.
The server may run meanwhile. The copy has every event that was accepted before the command began; a
server that starts from it learns the examples since the snapshot again.

  deno task cairn data backup data /backup/monday

To restore, copy the folder to the storage.path of a stopped server, on any machine.

With storage.redis the folder has snapshots alone, and --snapshots-only copies the newest one. Back
the server with the logs up after it: a log may be newer than the snapshot, and never older.`;

/** The group of data commands; their work is loaded when one runs. */
export function dataCommand(output: Output): Command {
  return new Command("data").description("look into a data directory, or back it up")
    .addCommand(
      new Command("verify").description("read all files of a data directory and check them")
        .addArgument(new Argument("<folder>", "the data directory (storage.path)"))
        .addOption(jsonOption())
        .addHelpText("after", help)
        .action(async (folder: string, flags: DataFlags) => {
          const { verifyCommand } = await import("./verify.ts");
          await verifyCommand(folder, flags, output);
        }),
    )
    .addCommand(
      new Command("backup").description("copy a data directory while its server runs")
        .addArgument(new Argument("<folder>", "the data directory (storage.path)"))
        .addArgument(new Argument("<to>", "an empty folder, or one to be made"))
        .option("--snapshots-only", "the logs and the profiles are on Redis")
        .addOption(jsonOption())
        .addHelpText("after", backupHelp)
        .action(async (folder: string, to: string, flags: BackupFlags) => {
          const { backupCommand } = await import("./backup.ts");
          await backupCommand(folder, to, flags, output);
        }),
    )
    .addCommand(
      new Command("quarantine").description("show the examples that trainers put aside")
        .addArgument(new Argument("<folder>", "the data directory (storage.path)"))
        .addOption(jsonOption())
        .addHelpText("after", quarantineHelp)
        .action(async (folder: string, flags: DataFlags) => {
          const { quarantineCommand } = await import("./quarantine.ts");
          await quarantineCommand(folder, flags, output);
        }),
    );
}
