/**
 * `cairn size`: the memory, disk, cores, hosts and cost of a load, estimated from measurements.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { configOption, jsonOption, numberBetween, wholeNumber } from "../options.ts";

/** The typed options. */
export interface SizeFlags {
  readonly config: string;
  readonly items: number;
  readonly users: number;
  readonly rankingsPerSecond: number;
  readonly candidates: number;
  readonly eventsPerRanking: number;
  readonly otherIds?: number;
  readonly hostCores: number;
  readonly hostMemory: number;
  readonly hostPrice?: number;
  readonly json?: true;
}

const COUNT_MAX = 1e12;

const examples = `
Examples:
  deno task cairn size --items 1000000 --users 5000000 --rankings-per-second 300
  deno task cairn size --items 50000 --users 200000 --rankings-per-second 20 --config my.yaml \\
    --host-cores 4 --host-memory 16 --host-price 0.20 --json

All figures are estimates. The memory of a row is measured on this machine for the configuration;
core time and disk come from one measurement, whose processor the command names. Measure your own
by: deno run -A scripts/measure_capacity.ts`;

/** The command; its work is loaded when it runs. */
export function sizeCommand(output: Output): Command {
  return new Command("size")
    .description("estimate memory, disk, cores, hosts and cost of a load, from measurements")
    .addOption(configOption("examples/movies.yaml"))
    .requiredOption(
      "--items <number>",
      "required: items that are ranked",
      wholeNumber(1, COUNT_MAX),
    )
    .requiredOption("--users <number>", "required: users who are known", wholeNumber(0, COUNT_MAX))
    .requiredOption(
      "--rankings-per-second <number>",
      "required: at the busiest time",
      numberBetween(0.001, 1e7),
    )
    .option("--candidates <number>", "items of a ranking", wholeNumber(1, 500), 100)
    .option("--events-per-ranking <number>", "on average", numberBetween(0, 500), 0.2)
    .option(
      "--other-ids <number>",
      "values of all other features (default: a tenth of items and users)",
      wholeNumber(0, COUNT_MAX),
    )
    .option("--host-cores <number>", "cores of a host", numberBetween(0.5, 1024), 4)
    .option("--host-memory <GiB>", "memory of a host", numberBetween(0.25, 65_536), 16)
    .addOption(
      new Option("--host-price <price>", "price of a host for an hour, in any currency")
        .argParser(numberBetween(0, 1e6)),
    )
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (flags: SizeFlags) => {
      const { size } = await import("./size.ts");
      await size(flags, output);
    });
}
