/**
 * `cairn simulate`: runs the whole mesh in one thread under virtual time, with faults drawn from a
 * seed.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { wholeNumber } from "../options.ts";

/** The options as typed. */
export interface SimulateFlags {
  readonly seed?: string;
  readonly seeds?: number;
  readonly for?: string;
  readonly workers?: number;
  readonly minutes?: number;
  readonly config?: string;
  readonly scenario?: string;
  readonly plant?: string;
  /** The bug that is planted in this process already. */
  readonly planted?: string;
  readonly faults?: string;
  readonly replay?: string;
  readonly shrink: number;
  readonly out: string;
  readonly html?: string;
  readonly perfetto?: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  deno task simulate                                  fresh seeds until Ctrl-C
  deno task simulate --seed 7 --minutes 10            ten virtual minutes of one seed
  deno task simulate --seeds 200 --scenario reshard   200 seeds of a scenario
  deno task simulate --replay simulated/0x7/shrunk.json --html trace.html
  deno task simulate --plant double-apply             a planted bug, which must be found

Exit codes: 0 no violation, 1 usage, 2 a plant was not found, 127 crash, 128 liveness, 129 correctness, 130 two runs of one seed differ, or one used the machine.`;

/** The command, without having loaded anything heavy. */
export function simulateCommand(output: Output): Command {
  return new Command("simulate")
    .description("test the mesh under virtual time and drawn faults: one seed, one outcome")
    .option("--seed <seed>", "run this seed: 7, 0x7f3a, or a commit's hash")
    .addOption(
      new Option("--seeds <number>", "run so many seeds, from --seed on, or fresh ones")
        .argParser(wholeNumber(1, 10_000_000)),
    )
    .option("--for <duration>", "run fresh seeds for so long: 90s, 10m")
    .addOption(
      new Option("--workers <number>", "threads that run seeds; default one a core")
        .argParser(wholeNumber(1, 1_024)),
    )
    .addOption(
      new Option("--minutes <number>", "virtual minutes of one seed")
        .argParser(wholeNumber(1, 10_000)),
    )
    .option("--config <file>", "a cairn.yaml in place of the scenario's")
    .option(
      "--scenario <name|file>",
      "a scenario that ships, or a module that exports one; default swarm",
    )
    .option("--plant <name>", "plant this bug in a copy of the source, which must find it")
    .option("--faults <families>", "only these families of faults, by commas; none = no faults")
    .option(
      "--replay <file>",
      "run the plan in this file; with --plant if it was found with a plant",
    )
    .addOption(
      new Option("--shrink <runs>", "runs at most that look for a smaller plan of a failure")
        .argParser(wholeNumber(0, 10_000)).default(150),
    )
    .option("--out <folder>", "folder for the plans of a failure", "simulated")
    .option("--html <file>", "draw the last run, or the failing one, as a page")
    .option("--perfetto <file>", "write it as a trace for ui.perfetto.dev")
    .option("--json", "end with one line of JSON")
    .addHelpText("after", examples)
    .action(async (flags: SimulateFlags) => {
      const { simulate } = await import("./simulate.ts");
      await simulate(flags, output);
    });
}
