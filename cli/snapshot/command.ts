/**
 * `cairn snapshot`: the snapshots in a data directory or a bucket, and going back to one of them.
 */
import { Argument, Command, Option } from "commander";
import type { ExamplesAfter } from "../../offline/data_directory/restore_snapshot.ts";
import type { Output } from "../command_line.ts";
import { jsonOption, placeArgument } from "../options.ts";

/** The typed options of `snapshot list`, `verify`, `pin` and `unpin`. */
export interface SnapshotFlags {
  readonly json?: true;
}

/** The typed options of `snapshot restore`. */
export interface RestoreFlags extends SnapshotFlags {
  readonly from?: string;
  readonly examples: ExamplesAfter;
}

const examples = `
Examples:
  deno task cairn snapshot list data
  deno task cairn snapshot pin data 001764412388123         keep it when newer ones are taken

  # a bad model: go back, and never learn from what came after the cut
  deno task cairn snapshot restore data 001764412388123 --examples skip

  # the same cut, and learn again from what came after it
  deno task cairn snapshot restore data 001764412388123 --examples learn

  # put a model that train made under a server's profiles and open windows
  deno task cairn train --dataset csv --path history.csv --config my.yaml --save trained
  deno task cairn snapshot restore data --from trained --examples skip

  # snapshots in a bucket, or logs on Redis, as in a mesh: the configuration says where
  deno task cairn snapshot list mesh.yaml
  deno task cairn snapshot restore mesh.yaml 001764412388123 --examples skip

Stop the server before you restore; list, verify and pin work while it runs.`;

const restoreHelp = `
The snapshot is copied under a new name and becomes the newest: the next start begins from it. Other
snapshots stay until the server replaces them. Profiles, accepted events and open windows stay.

  --examples learn   trains again on the examples after the cut, as far as the log has them; with
                     --from, on all that it has
  --examples skip    continues behind the newest example: the ones up to now are never learned.
                     Events whose windows are still open are learned when their windows close

Where the logs are on Redis (storage.redis) or the snapshots in a bucket (storage.s3), give the
configuration in place of the folder. Stop all hosts of a mesh before.`;

/** The group of snapshot commands; their work is loaded when one runs. */
export function snapshotCommand(output: Output): Command {
  const name = (required: boolean) =>
    new Argument(required ? "<name>" : "[name]", "of the snapshot, as snapshot list prints it");
  return new Command("snapshot")
    .description("list, verify and pin snapshots, and go back to one")
    .addHelpText("after", examples)
    .addCommand(
      new Command("list").description("list the snapshots, newest first")
        .addArgument(placeArgument())
        .addOption(jsonOption())
        .action(async (data: string, flags: SnapshotFlags) => {
          const { listCommand } = await import("./list.ts");
          await listCommand(data, flags, output);
        }),
    )
    .addCommand(
      new Command("verify").description("read whole snapshots and check them; exits 1 on damage")
        .addArgument(placeArgument())
        .addArgument(name(false))
        .addOption(jsonOption())
        .action(async (data: string, snapshot: string | undefined, flags: SnapshotFlags) => {
          const { verifyCommand } = await import("./verify.ts");
          await verifyCommand(data, snapshot, flags, output);
        }),
    )
    .addCommand(
      new Command("pin").description("keep a snapshot when newer ones are taken")
        .addArgument(placeArgument())
        .addArgument(name(true))
        .action(async (data: string, snapshot: string) => {
          const { pinCommand } = await import("./pin.ts");
          await pinCommand(data, snapshot, true, output);
        }),
    )
    .addCommand(
      new Command("unpin").description("let a pinned snapshot be deleted")
        .addArgument(placeArgument())
        .addArgument(name(true))
        .action(async (data: string, snapshot: string) => {
          const { pinCommand } = await import("./pin.ts");
          await pinCommand(data, snapshot, false, output);
        }),
    )
    .addCommand(
      new Command("restore").description("begin the next start from a snapshot")
        .addArgument(placeArgument())
        .addArgument(name(false))
        .option("--from <data>", "take it from this directory, folder of train --save, or bucket")
        .addOption(
          new Option("--examples <choice>", "required: the examples after the cut")
            .choices(["learn", "skip"]).makeOptionMandatory(),
        )
        .addOption(jsonOption())
        .addHelpText("after", restoreHelp)
        .action(async (data: string, snapshot: string | undefined, flags: RestoreFlags) => {
          const { restoreCommand } = await import("./restore.ts");
          await restoreCommand(data, snapshot, flags, output);
        }),
    );
}
