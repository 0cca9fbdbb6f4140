/**
 * `cairn node`: one host of a mesh of several processes, until a stop signal.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";
import { configOption, setOption } from "../options.ts";

/** The typed options. */
export interface NodeFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly host: string;
}

const examples = `
Examples, each in a terminal (or on a machine) of its own:
  deno task cairn node --host edge   --config examples/mesh.yaml
  deno task cairn node --host learn  --config examples/mesh.yaml
  deno task cairn node --host tables --config examples/mesh.yaml

The section mesh of the file lists the hosts. They may start in any order; a host that is lost
comes back by starting it again. See docs/mesh.md.`;

/** The command; its work is loaded when it runs. */
export function nodeCommand(output: Output): Command {
  return new Command("node")
    .description("run one host of a mesh of several processes, until Ctrl-C or SIGTERM")
    .requiredOption("--host <name>", "the host, a key of mesh.hosts in the configuration")
    .addOption(configOption("examples/mesh.yaml"))
    .addOption(setOption())
    .addHelpText("after", examples)
    .action(async (flags: NodeFlags) => {
      const { runNode } = await import("./node.ts");
      await runNode(flags, output);
    });
}
