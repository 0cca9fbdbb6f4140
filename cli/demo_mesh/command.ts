/**
 * `cairn demo-mesh`: the demo's audience visits a mesh of several processes while its hosts are
 * killed and restarted.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { jsonOption, wholeNumber } from "../options.ts";

/** The typed options. */
export interface DemoMeshFlags {
  readonly server: "redis-server" | "valkey-server";
  readonly seconds: number;
  readonly rate: number;
  readonly seed: number;
  readonly short?: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const help = `
Starts a Redis server and six hosts on this machine: two that serve, two that learn, two with the
training table. An audience ranks and clicks. Meanwhile a seventh host joins and gets shards, another
one is drained; one host of each role and the Redis server are killed and started again; then all
hosts are restarted one after another.

The exit code is 1 unless every accepted click is one example, no click is refused for good, no
attempt at a ranking fails outside of the second after a kill of its gateway, shards move live at each
step that moves some, and all hosts are back at the end. Times are shown and not judged.

Examples:
  deno task demo:mesh                          about three minutes
  deno task demo:mesh --short --json           without the restarts at the end; for CI
  deno task demo:mesh --server valkey-server`;

/** The command; its work is loaded when it runs. */
export function demoMeshCommand(output: Output): Command {
  return new Command("demo-mesh")
    .description("kill the hosts of a mesh under a simulated audience, and count every click")
    .addOption(
      new Option("--server <program>", "the server of logs and profiles")
        .choices(["redis-server", "valkey-server"]).default("redis-server"),
    )
    .addOption(
      new Option("--seconds <count>", "quiet time before the first kill")
        .argParser(wholeNumber(3, 3600)).default(20),
    )
    .addOption(
      new Option("--rate <visits>", "page views a second").argParser(wholeNumber(1, 10_000))
        .default(40),
    )
    .addOption(
      new Option("--seed <number>", "another audience").argParser(wholeNumber(0, 2 ** 32))
        .default(1),
    )
    .option("--short", "leave out the restart of all hosts at the end")
    .option("--keep", "keep the folder with the configuration, the data and the hosts' logs")
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action(async (flags: DemoMeshFlags) => {
      const { demoMesh } = await import("./demo_mesh.ts");
      await demoMesh(flags, output);
    });
}
