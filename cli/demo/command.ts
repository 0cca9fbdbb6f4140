/**
 * `cairn demo`: a minute with a simulated audience, to see rankings get better.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { configOption, jsonOption, setOption, wholeNumber } from "../options.ts";

/** The typed options. */
export interface DemoFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly seconds: number;
  readonly rate: number;
  readonly seed: number;
  readonly port: number;
  readonly keep?: boolean;
  readonly json?: boolean;
  readonly report?: string;
}

const examples = `
What happens: the mesh and its HTTP API start in this process. A simulated audience of shoppers, whose
tastes drift while you watch, asks for rankings and clicks. Four visits in five are shown what Cairn
ranks first; one in five is the control group and is shown a random order. The figures:

  clicks         clicks per product shown, ranked against random, over the last seconds
  AUC            of the scores as they were served, against what was clicked
  freshness      from posting a click to the first answer whose scores have learned from it
  examples/s     what the trainer learns from

Examples:
  deno task demo                    about a minute, exits 0 if rankings got better
  deno task demo --seconds 20
  deno task demo --keep             leaves the server running afterwards
  deno task demo --report demo.html one page with the curves`;

/** The command; its work is loaded when it runs. */
export function demoCommand(output: Output): Command {
  return new Command("demo")
    .description("watch rankings get better for a minute, with a simulated audience")
    .addOption(configOption("examples/demo.yaml"))
    .addOption(setOption())
    .addOption(
      new Option("--seconds <count>", "how long the audience visits").argParser(
        wholeNumber(20, 3600),
      )
        .default(50),
    )
    .addOption(
      new Option("--rate <visits>", "page views a second").argParser(wholeNumber(1, 10_000))
        .default(150),
    )
    .addOption(
      new Option("--seed <number>", "another audience").argParser(wholeNumber(0, 2 ** 32)).default(
        1,
      ),
    )
    .addOption(
      new Option("--port <number>", "of the HTTP API; 0 = any free one").argParser(
        wholeNumber(0, 65_535),
      )
        .default(0),
    )
    .option("--keep", "leave the server running afterwards, until Ctrl-C")
    .option("--report <file>", "write one self-contained HTML page")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (flags: DemoFlags) => {
      const { demo } = await import("./demo.ts");
      await demo(flags, output);
    });
}
