/**
 * `cairn replay`: a dataset in time order through the real HTTP API, as its people would have
 * caused it.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { configOption, jsonOption, setOption, wholeNumber } from "../options.ts";
import { type DatasetFlags, datasetOptions } from "../dataset_options.ts";

/** The typed options. */
export interface ReplayFlags extends DatasetFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly inFlight: number;
  readonly url?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
  readonly report?: string;
}

const examples = `
For each interaction, one rank request with its item, then its event: the score was given before the
answer was known, so AUC over all of them is honest. The client runs in a thread of its own.
Attributes of users and items in files of their own are stored before the first interaction. Those in
the rows of the interactions belong to their row; the newest of each user and item are stored at the end.

Examples:
  deno task cairn replay --dataset movietweetings --path <folder>
  deno task cairn replay --dataset movielens --path <folder> --label-at-least 4 --report replay.html
  deno task cairn replay --dataset csv --path events.csv --config my.yaml --url http://localhost:8080

The last line with --json:
  examples           interactions; one whose action no label rule reads counts as a negative
  servedAuc          AUC of the scores in the answers, last 80 %
  servedCalibration  their mean divided by the mean label, last 80 %; 1 = right on average
  trainerAuc         AUC of the trainer's own scores, each made before it learned, last 80 %
  tasks              each task's AUC, logloss and calibration in the trainer; the mean squared error
                     instead of AUC and logloss where a value is predicted
  freshnessMsP50/99  from posting an event to the first answer that has learned from it
  requestsPerSecond  rank+event pairs a second
  rankMsP50/99       from sending a rank request to having its answer
  unmatched          events that met no open impression
  lost               accepted events that are neither trained, nor open, nor counted as unmatched`;

/** The command, without having loaded anything heavy. */
export function replayCommand(output: Output): Command {
  const command = new Command("replay")
    .description("send a dataset in time order through the HTTP API and measure");
  datasetOptions(command);
  return command
    .addOption(configOption("examples/movies.yaml"))
    .addOption(setOption())
    .addOption(
      new Option("--in-flight <pairs>", "pairs under way at once; each pair keeps its order")
        .argParser(wholeNumber(1, 1024)).default(32),
    )
    .option("--url <url>", "of a running server, instead of starting one here")
    .option("--api-key <key>", "for --url")
    .option("--report <file>", "write one self-contained HTML page")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (flags: ReplayFlags) => {
      const { replay } = await import("./replay.ts");
      await replay(flags, output);
    });
}
