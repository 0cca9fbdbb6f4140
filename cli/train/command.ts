/**
 * `cairn train`: batch training over a file, and evaluation on held-back examples.
 */
import { Command, Option } from "commander";
import { usageError } from "../errors.ts";
import {
  jsonOption,
  modelOption,
  namesOf,
  numberBetween,
  setOption,
  wholeNumber,
} from "../options.ts";
import type { Output } from "../command_line.ts";
import { type DatasetFlags, datasetOptions } from "../dataset_options.ts";

/** The typed options. */
export interface TrainFlags extends DatasetFlags {
  readonly config?: string;
  readonly labelColumn?: string;
  readonly features?: readonly string[];
  readonly numeric?: readonly string[];
  readonly set: readonly string[];
  readonly model?: string;
  readonly eval?: string;
  readonly evalFraction: number;
  readonly valid?: string;
  readonly patience: number;
  readonly plateauFactor: number;
  readonly epochs?: number;
  readonly shuffle?: boolean;
  readonly denseUpdates?: boolean;
  readonly l2?: number;
  readonly compare?: string;
  readonly save?: string;
  readonly report?: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  # MovieTweetings, one pass in time order, last 20 % held back
  deno task cairn train --dataset movietweetings --path <folder> --compare logisticRegression

  # MovieLens as plain CSV, liked = rating of 4 or more
  deno task cairn train --dataset csv --path ratings.csv --label-at-least 4 --compare logisticRegression

  # a benchmark's three tables, as many epochs as help: a column "label", every other one a category
  deno task cairn train --dataset csv --path train.csv --valid valid.csv --eval test.csv

  # the same with the label and the features named
  deno task cairn train --dataset csv --path train.csv --valid valid.csv --eval test.csv \\
      --label-column clicked --features site,app,device --set model.dropout=0.3

  # keep the model, and go on from it
  deno task cairn train --dataset csv --path train.csv --valid valid.csv --eval test.csv --save trained
  deno task cairn serve --config trained/cairn.yaml
  deno task cairn model export model.onnx --config trained/cairn.yaml --from trained

  # other hyper-parameters without another file
  deno task cairn train --dataset movietweetings --path <folder> --set model.embeddingDim=8 \\
      --set 'model.optimizer={ kind: adam, learningRate: 0.002 }'

JSONL has an object per line:
  {"user": "u1", "item": "m1", "value": 4, "timestamp": 1700000000, "userAttributes": {"age": 30},
   "itemAttributes": {"genres": ["Drama"]}, "context": {"device": "phone"}}

Figures:
  progressive  each batch is scored before it is learned from (last 80 % of the first epoch)
  evaluation   examples held back, scored as serving would score them
  AUC          share of (positive, negative) pairs in the right order; 0.5 = chance
  logloss      mean surprise at the label; lower is better
  calibration  mean prediction divided by the mean label; 1 = right on average`;

/** The command; its work is loaded when it runs. */
export function trainCommand(output: Output): Command {
  const command = new Command("train")
    .description("train on a file, then evaluate on what was held back");
  datasetOptions(command);
  return command
    .option(
      "--label-column <name>",
      "csv: a table of labelled examples with this label; found by itself where it is called label, click, " +
        "target, conversion, y or the like and no --config or column is named",
    )
    .addOption(
      new Option(
        "--features <names>",
        "csv with a label: the columns to predict from (those of --config, else all others)",
      )
        .argParser(namesOf),
    )
    .addOption(
      new Option(
        "--numeric <names>",
        "csv with a label: columns that are numbers, told apart by size; all others are categories",
      )
        .argParser(namesOf),
    )
    .option(
      "-c, --config <file>",
      "features, model and mesh, as YAML (examples/categorical.yaml for a table of labelled examples; a file " +
        "without features makes one of each of its columns; examples/movies.yaml for all else)",
    )
    .addOption(setOption())
    .addOption(modelOption("train"))
    .addOption(
      new Option(
        "--l2 <strength>",
        "L2 on all embeddings, instead of the configured (a table of labelled examples: 0.05, less from 200,000 on)",
      ).argParser(numberBetween(0, 1e6)),
    )
    .option("--eval <file>", "evaluate on this file of the same kind")
    .addOption(
      new Option(
        "--eval-fraction <share>",
        "without --eval: hold back the newest share (with --save: 0, so that the model learns from all)",
      )
        .argParser(numberBetween(0, 0.9)).default(0.2),
    )
    .option(
      "--valid <file>",
      "after each epoch, measure on this file; the model that is evaluated is the best epoch's",
    )
    .addOption(
      new Option(
        "--patience <epochs>",
        "with --valid: after so many epochs without a better one, take smaller steps, then stop",
      )
        .argParser(wholeNumber(1, 1000)).default(2),
    )
    .addOption(
      new Option(
        "--plateau-factor <factor>",
        "with --valid: what all learning rates are multiplied by when patience is over; 1 = stop at once",
      )
        .argParser(numberBetween(1e-6, 1)).default(0.1),
    )
    .addOption(
      new Option(
        "--epochs <count>",
        "passes over the examples (1; with --valid at most 100, which patience ends)",
      ).argParser(wholeNumber(1, 1000)),
    )
    .option("--shuffle", "each epoch in an order of its own (a table of labelled examples)")
    .option("--no-shuffle", "in order of time, or of the file where it has none (all other files)")
    .option(
      "--dense-updates",
      "every batch moves every embedding, by decay and momentum, as libraries with dense gradients do: slow " +
        "from millions of categories on (a table of labelled examples)",
    )
    .option(
      "--no-dense-updates",
      "a batch moves its own embeddings alone, as online (all other files)",
    )
    .option(
      "--compare <kind>",
      "train this kind of model too, on the same examples; kinds as of --model",
    )
    .option(
      "--save <folder>",
      "keep the model (not the one of --compare) in a new folder, with its profiles and the configuration to serve it",
    )
    .option("--report <file>", "write one self-contained HTML page")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (flags: TrainFlags) => {
      const idle = ["patience", "plateauFactor"].find((name) =>
        flags.valid === undefined && command.getOptionValueSource(name) === "cli"
      );
      if (idle !== undefined) {
        const option = idle === "patience" ? "--patience" : "--plateau-factor";
        throw usageError(
          `${option} needs a validation file: name one by --valid, or leave it out.`,
        );
      }
      // A model that is saved learns from every row, unless a share to hold back was typed.
      const holdsBack = flags.save === undefined ||
        command.getOptionValueSource("evalFraction") === "cli";
      const { train } = await import("./train.ts");
      await train(holdsBack ? flags : { ...flags, evalFraction: 0 }, output);
    });
}
