/**
 * `cairn data`: commands about all data of a server.
 */
import { Argument, Command } from "commander";
import type { Output } from "../command_line.ts";
import { jsonOption, placeArgument } from "../options.ts";

/** The typed options of the data commands. */
export interface DataFlags {
  readonly json?: true;
}

/** The typed options of `backup`. */
interface BackupFlags extends DataFlags {
  readonly check?: true;
}

const help = `
Reads the logs, the snapshots and the profiles, and changes nothing. Run it on a stopped server, or on
a copy: what a running server is writing looks torn.

  deno task cairn data verify data
  deno task cairn data verify cairn.yaml       where the snapshots lie in a bucket

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

To restore, copy the folder to the storage.path of a stopped server, on any machine. Into a bucket,
data restore puts its blobs.

  deno task cairn data backup mesh.yaml /backup/monday

Where the logs are on Redis (storage.redis) or the snapshots in a bucket (storage.s3), give the
configuration. Logs and profiles on Redis are not copied: back that server up after the command. A
log may be newer than the snapshot, and never older. Nor may it begin behind the snapshot, as it
does when as many newer ones are taken as are retained. See by --check, after the copy of Redis,
whether the two go together; it exits 1 where both have to be made anew.

  deno task cairn data backup mesh.yaml /backup/monday --check`;

const restoreHelp = `
Puts the snapshot, the checkpoints of kept features, the examples put aside and the receipts of
erasures of a backup into the bucket (storage.s3) or the folder of the configuration, which holds no
snapshot. Logs and profiles stay as they are: the next start learns what came after the snapshot, as
far as the example log has it. Stop the server, or all hosts of the mesh, before.

  deno task cairn data restore mesh.yaml /backup/monday`;

/** The group of data commands; their work is loaded when one runs. */
export function dataCommand(output: Output): Command {
  return new Command("data").description("look into the data of a server, or back it up")
    .addCommand(
      new Command("verify").description("read all data of a server and check it")
        .addArgument(placeArgument())
        .addOption(jsonOption())
        .addHelpText("after", help)
        .action(async (data: string, flags: DataFlags) => {
          const { verifyCommand } = await import("./verify.ts");
          await verifyCommand(data, flags, output);
        }),
    )
    .addCommand(
      new Command("backup").description("copy the data of a server while it runs")
        .addArgument(placeArgument())
        .addArgument(new Argument("<to>", "an empty folder, or one to be made"))
        .option("--check", "see whether a copy of Redis made since goes with the backup")
        .addOption(jsonOption())
        .addHelpText("after", backupHelp)
        .action(async (data: string, to: string, flags: BackupFlags) => {
          if (flags.check) {
            const { checkBackupCommand } = await import("./check_backup.ts");
            return await checkBackupCommand(data, to, flags, output);
          }
          const { backupCommand } = await import("./backup.ts");
          await backupCommand(data, to, flags, output);
        }),
    )
    .addCommand(
      new Command("restore").description("put a backup into a bucket that was lost")
        .addArgument(new Argument("<config>", "the configuration of the server, or of the mesh"))
        .addArgument(new Argument("<from>", "the folder of the backup"))
        .addOption(jsonOption())
        .addHelpText("after", restoreHelp)
        .action(async (config: string, from: string, flags: DataFlags) => {
          const { restoreCommand } = await import("./restore.ts");
          await restoreCommand(config, from, flags, output);
        }),
    )
    .addCommand(
      new Command("quarantine").description("show the examples that trainers put aside")
        .addArgument(placeArgument())
        .addOption(jsonOption())
        .addHelpText("after", quarantineHelp)
        .action(async (data: string, flags: DataFlags) => {
          const { quarantineCommand } = await import("./quarantine.ts");
          await quarantineCommand(data, flags, output);
        }),
    );
}
