/**
 * The commands for the operator of a mesh of several hosts: which host has which shard, and
 * changes of that while the mesh serves.
 */
import { Argument, Command, InvalidArgumentError } from "commander";
import { SHARDS_MAX, SHARDS_MIN } from "../../mesh/ports/resharding.ts";
import type { Output } from "../command_line.ts";
import { configOption, durationMs, jsonOption, setOption, wholeNumber } from "../options.ts";
import type { WaitFlags } from "./wait.ts";

/** The typed options that all of these commands have. */
export interface PlacementFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly json?: true;
}

/** The typed options of `apply`. */
export interface ApplyFlags extends PlacementFlags, WaitFlags {
  readonly maxMoves?: number;
  readonly ifVersion?: number;
  /** Reason why trainer.count changes without a snapshot and before an earlier change is done. */
  readonly override?: string;
}

/** The typed options of `reshard`. */
export interface ReshardFlags extends PlacementFlags, WaitFlags {
  readonly shards?: number;
  readonly ifVersion?: number;
}

/** The typed options of `recover`. */
export interface RecoverFlags extends PlacementFlags {
  /** Id of the other mesh from which the store of snapshots is taken. */
  readonly fromMesh?: string;
  /** Name of the newest snapshot of a store that lacks what the mesh knows; "none" = none. */
  readonly fromSnapshot?: string;
}

/** The typed options of `drain`. */
export type DrainFlags = PlacementFlags & WaitFlags;

const EXAMPLE = "examples/mesh.yaml";

const planHelp = `
Exit codes: 0 nothing to change, 2 shards, joiners or trainers would move or are moving, their number
would change or is asked to, or hosts have to be restarted for joiner, trainer, sync, placement,
embeddings.serving.replicas, storage.logBytesMax or mesh.lease, 1 an error (a mistyped option too) or
a change that a running mesh cannot take. That is one of a section in which all hosts must agree, such
as features, model, joiner.tasks or mesh.hosts: the message says which differ, and how to start the
hosts with it. Other settings of a single host, such as gateway, are not compared.
With mesh.balance the hosts make these moves by themselves, except after cairn cancel or cairn
rollback, until the next cairn apply.`;

const applyHelp = `
Where trainer.count, joiner.partitions or trainer.partitions of the configuration is another one than
the mesh has, that number changes too, all three in one step. The hosts carry all out, also when this
command has ended: see cairn status. cairn cancel ends a change of the number that has not begun, and
then the plan; cairn rollback moves back what the last plan has moved, and changes no number. The plan
of an apply replaces that of the command before, also of a rollback that is under way, unless the same
moves are left in it: then the command joins that plan. With --wait, exit code 1 when another command
ends the plan.

Exit codes: 0 all is applied or was before, 2 shards.count is another one, which cairn reshard
changes, or hosts have to be restarted, 1 an error or a change that a running mesh cannot take, as with
cairn plan.

A change begins with a snapshot, and waits until an earlier change is done. Where a trainer cannot
begin, neither happens: --override changes trainer.count at once. The new trainers go on at the newest
snapshot, and no example is lost or learned twice.`;

const reshardHelp = `
Without --shards the number is that of shards.count in the configuration. The hosts carry the change
out, also when this command has ended: see cairn status. cairn cancel ends it before the new shards
begin; afterwards another cairn reshard goes back.`;

const heldHelp = `
Hosts with mesh.balance would repeat the plan's moves: they do not even out by themselves after it,
until the next cairn apply. Parts of lost and drained hosts get other hosts all the same. cairn
status says so.`;

const rollbackHelp = `
The plan before ends: what it has moved moves back, copies of shards under way are given up, and what
it has not begun does not move. Run again it joins the rollback that is under way, and changes nothing
once that is done.
${heldHelp}`;

const drainHelp = `
The hosts move the parts, also when this command has ended: see cairn status. cairn undrain ends it,
and what has left stays where it is. With --wait, exit code 1 when shards, joiners or trainers are left
that no other host can take, when cairn undrain has ended the drain, or when --timeout is over.`;

/** @throws {InvalidArgumentError} There is no text. */
function statedReason(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("Say why, for those who read the logs.");
  return text.trim();
}

/** The commands; their work is loaded when one runs. */
export function placementCommands(output: Output): Command[] {
  const command = (name: string, description: string) =>
    new Command(name).description(description)
      .addOption(configOption(EXAMPLE)).addOption(setOption()).addOption(jsonOption());
  const host = () => new Argument("<host>", "the host, a key of mesh.hosts in the configuration");
  const withWait = (waiting: Command) =>
    waiting.option("--wait", "wait until it is done, and print the progress")
      .option(
        "--timeout <duration>",
        "wait, but at most for so long: 90s, 10m; then exit code 1, and the hosts go on",
        durationMs,
      );
  return [
    command(
      "plan",
      "show which shards, joiners and trainers would move between the hosts of a mesh, and why",
    )
      .addHelpText("after", planHelp)
      .action(async (flags: PlacementFlags) => {
        const { planCommand } = await import("./plan.ts");
        await planCommand(flags, output);
      }),
    withWait(
      command(
        "apply",
        "move shards, joiners and trainers between the hosts of a mesh as cairn plan shows",
      )
        .option("--max-moves <n>", "moves of each kind at the same time", wholeNumber(1, 64))
        .option(
          "--if-version <n>",
          "refuse unless the mesh is at this version",
          wholeNumber(0, 2 ** 50),
        )
        .option(
          "--override <reason>",
          "change trainer.count without a snapshot, although an earlier change is not done",
          statedReason,
        ),
    )
      .addHelpText("after", applyHelp)
      .action(async (flags: ApplyFlags) => {
        const { applyCommand } = await import("./apply.ts");
        await applyCommand(flags, output);
      }),
    withWait(
      command("reshard", "change the number of shards while the mesh serves")
        .option("--shards <n>", "shards of the training table", wholeNumber(SHARDS_MIN, SHARDS_MAX))
        .option(
          "--if-version <n>",
          "refuse unless the mesh is at this version",
          wholeNumber(0, 2 ** 50),
        ),
    )
      .addHelpText("after", reshardHelp)
      .action(async (flags: ReshardFlags) => {
        const { reshardCommand } = await import("./reshard.ts");
        await reshardCommand(flags, output);
      }),
    command("status", "show the hosts of a mesh, what they have, and what moves")
      .action(async (flags: PlacementFlags) => {
        const { statusCommand } = await import("./status.ts");
        await statusCommand(flags, output);
      }),
    command(
      "explain",
      "say where a shard, joiner, trainer or keeper is, its last move, and why it stays or moves",
    )
      .addArgument(new Argument("<part>", "shard, joiner, trainer or keeper"))
      .addArgument(
        new Argument("[number]", "its number, from 0; all of them without")
          .argParser(wholeNumber(0, 1023)),
      )
      .action(async (part: string, number: number | undefined, flags: PlacementFlags) => {
        const { explainCommand } = await import("./explain.ts");
        await explainCommand(part, number, flags, output);
      }),
    withWait(
      command("drain", "move all shards, joiners and trainers off a host, and give it no others")
        .addArgument(host()),
    )
      .addHelpText("after", drainHelp)
      .action(async (name: string, flags: DrainFlags) => {
        const { drainCommand } = await import("./drain.ts");
        await drainCommand(name, "draining", flags, output);
      }),
    command("undrain", "let a drained host have shards, joiners and trainers again")
      .addArgument(host())
      .action(async (name: string, flags: PlacementFlags) => {
        const { drainCommand } = await import("./drain.ts");
        await drainCommand(name, "up", flags, output);
      }),
    command(
      "cancel",
      "end the plan, or the change of the number of shards, trainers or partitions, that has not begun",
    )
      .addHelpText("after", heldHelp)
      .action(async (flags: PlacementFlags) => {
        const { cancelCommand } = await import("./apply.ts");
        await cancelCommand(flags, output);
      }),
    withWait(command("rollback", "move back what the last plan has moved, and end what it has not"))
      .addHelpText("after", rollbackHelp)
      .action(async (flags: ApplyFlags) => {
        const { rollbackCommand } = await import("./apply.ts");
        await rollbackCommand(flags, output);
      }),
    command("recover", "go on with a Redis server or a store of snapshots that has lost data")
      .requiredOption(
        "--accept-loss",
        "give every shard a new owner, which restores it from the newest snapshot",
      )
      .option(
        "--from-mesh <id>",
        "take the store of snapshots from this other mesh, which must be no more: its hosts would refuse to go on; where Redis has lost all data, hosts that run end, gateways too",
      )
      .option(
        "--from-snapshot <name>",
        "begin from this snapshot, or from none, where the store lacks the mark of the mesh or later snapshots",
      )
      .action(async (flags: RecoverFlags) => {
        const { recoverCommand } = await import("./recover.ts");
        await recoverCommand(flags, output);
      }),
  ];
}
