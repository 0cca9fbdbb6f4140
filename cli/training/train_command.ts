/**
 * What `cairn train` does: reads the examples, trains the model and its rival on them, and says how they compare.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Output } from "../command_line.ts";
import type { TrainFlags } from "../commands/train.ts";
import { configurationFor, namedRoles, openNamedDataset } from "../commands/dataset_options.ts";
import { readCsvHeader } from "../datasets/csv.ts";
import { DatasetError } from "../datasets/errors.ts";
import type { ExampleTable } from "../datasets/example_table.ts";
import { datasetExtractor, labelledExamples } from "../datasets/examples.ts";
import { readInteractions } from "../datasets/interaction_table.ts";
import { type LabelledTable, labelledTable, usualLabel } from "../datasets/labelled_table.ts";
import { usageError } from "../errors.ts";
import { bundledFile } from "../options.ts";
import type { Quality } from "../evaluation/task_scores.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { trainingReport } from "./training_report.ts";
import { type TrainingResult, trainModel } from "./train_model.ts";

/** One trained model with its name. */
export interface NamedResult {
  readonly model: string;
  readonly result: TrainingResult;
}

/** Runs the command. */
export async function train(flags: TrainFlags, output: Output): Promise<void> {
  const source = await sourceOf(flags);
  if (source.table !== undefined) {
    const { label, features } = source.table;
    output.err(`${flags.path}: labelled examples, ${label} from ${features.join(", ")}\n`);
  }
  const configured = (model?: { readonly flag: "--model" | "--compare"; readonly kind: string }) =>
    configurationFor({ ...flags, config: source.config }, model, source.table);
  const configuration = await configured(
    flags.model === undefined ? undefined : { flag: "--model", kind: flags.model },
  );
  const rival = flags.compare === undefined
    ? undefined
    : await configured({ flag: "--compare", kind: flags.compare });
  const examples = exampleReader(flags, configuration, source.table);
  const [training, heldBack] = await examples(flags.path, flags.limit, (rows) => {
    const split = flags.eval === undefined ? Math.floor(rows * (1 - flags.evalFraction)) : rows;
    if (split > 0) return split;
    throw usageError(`${flags.path} has ${rows} interactions: nothing is left to train on.`);
  });
  const evaluation = flags.eval === undefined ? heldBack : (await examples(flags.eval))[0];
  const validation = flags.valid === undefined ? undefined : (await examples(flags.valid))[0];

  const run = async (model: string, its: CairnConfiguration): Promise<NamedResult> => {
    const progress = new Progress(model, training.rows * flags.epochs, stderrTarget());
    const result = await trainModel({
      configuration: its,
      training,
      evaluation,
      ...(validation === undefined ? {} : { validation }),
      shuffled: flags.shuffle ?? (source.table !== undefined && flags.timeColumn === undefined),
      denseUpdates: flags.denseUpdates ?? source.table !== undefined,
      epochs: flags.epochs,
      patience: flags.patience,
      plateauFactor: flags.plateauFactor,
      onProgress: (examples, epoch, loss) =>
        progress.update(examples, `epoch ${epoch}  loss ${loss.toFixed(4)}`),
    });
    progress.finish(
      result.examples * result.epochs.length,
      `${Math.round(result.examplesPerSecond).toLocaleString("en")} examples/s`,
    );
    return { model, result };
  };
  const results = [await run(configuration.model.kind, configuration)];
  if (rival !== undefined) results.push(await run(rival.model.kind, rival));

  if (flags.report !== undefined) {
    await Deno.writeTextFile(flags.report, trainingReport(flags.path, results));
    output.err(`The report is in ${flags.report}\n`);
  }
  output.out(
    flags.json === true
      ? JSON.stringify({ dataset: flags.dataset, models: results.map(summaryOf) }) + "\n"
      : describeResults(results),
  );
}

/** What the file holds, and the configuration that fits it where none was named. */
async function sourceOf(
  flags: TrainFlags,
): Promise<{ readonly table?: LabelledTable; readonly config: string }> {
  const movies = { config: flags.config ?? bundledFile("examples/movies.yaml") };
  const named = flags.labelColumn !== undefined || flags.features !== undefined;
  if (flags.dataset !== "csv") {
    if (named) throw usageError("--label-column and --features are for --dataset csv.");
    return movies;
  }
  const roles = Object.values(namedRoles(flags));
  // A configuration or a role that was named says how to read the file.
  if (!named && (flags.config !== undefined || roles.length > 0)) return movies;
  const header = await readCsvHeader(flags.path, flags.delimiter).catch((error) => {
    // Nothing was said about this file's columns: whoever reads it whole says what is wrong with it.
    if (named || !(error instanceof DatasetError)) throw error;
    return [];
  });
  const label = flags.labelColumn ?? usualLabel(header);
  if (label === undefined) {
    if (!named) return movies;
    throw usageError(
      `--features needs to know the label, and no column of ${flags.path} is called label ` +
        `(${header.join(", ")}); name it by --label-column.`,
    );
  }
  return {
    table: labelledTable(flags.path, header, label, flags.features, roles),
    config: flags.config ?? bundledFile("examples/categorical.yaml"),
  };
}

/** Makes examples by the configuration's features and label rules. */
function exampleReader(
  flags: TrainFlags,
  configuration: CairnConfiguration,
  labelled: LabelledTable | undefined,
) {
  const { schema, itemCacheBytesMax } = configuration.features;
  /** The examples of a file before and after the row where they are split; left out, all are before it. */
  return async (
    path: string,
    rowsMax = Infinity,
    splitAt = (rows: number) => rows,
  ): Promise<[ExampleTable, ExampleTable]> => {
    const dataset = await openNamedDataset(flags, configuration, path, labelled);
    const extractor = datasetExtractor(schema, dataset, itemCacheBytesMax);
    const table = await readInteractions(dataset);
    const rows = Math.min(table.rows, rowsMax);
    const progress = new Progress("reading", rows, stderrTarget());
    const made = (from: number, to: number) =>
      labelledExamples(dataset, table, {
        extractor,
        tasks: configuration.joiner.tasks,
        from,
        to,
        onProgress: (done) => progress.update(from + done),
      });
    const split = splitAt(rows);
    const examples: [ExampleTable, ExampleTable] = [made(0, split), made(split, rows)];
    progress.finish(rows, `${rows.toLocaleString("en")} examples`);
    return examples;
  };
}

/** For machines: rounded where more digits would be noise. The first task's figures, and each one's where there are several. */
function summaryOf({ model, result }: NamedResult): Record<string, unknown> {
  const { progressive, evaluation } = result;
  return {
    model,
    examples: result.examples,
    ...figuresOf(progressive[0], "progressive"),
    ...(evaluation === undefined ? {} : {
      evaluationExamples: evaluation[0].examples,
      ...figuresOf(evaluation[0]),
    }),
    ...(progressive.length === 1 ? {} : {
      tasks: Object.fromEntries(
        progressive.map((quality, i) => [quality.task, {
          ...figuresOf(quality, "progressive"),
          ...(evaluation === undefined ? {} : figuresOf(evaluation[i])),
        }]),
      ),
    }),
    epochs: result.epochs.length,
    bestEpoch: result.bestEpoch,
    trainingLoss: result.epochs.map(({ loss }) => round(loss)),
    ...(result.epochs[0]?.validation === undefined ? {} : {
      validationAuc: result.epochs.map(({ validation }) => validation && round(validation.auc)),
    }),
    embeddingRows: result.rows,
    seconds: Number(result.seconds.toFixed(2)),
    examplesPerSecond: Math.round(result.examplesPerSecond),
  };
}

/** `auc` and `logloss`, or `meanSquaredError`; with a prefix `progressiveAuc` and so on. */
function figuresOf(quality: Quality, prefix = ""): Record<string, number> {
  const measures = Number.isNaN(quality.meanSquaredError)
    ? { auc: quality.auc, logloss: quality.logloss }
    : { meanSquaredError: quality.meanSquaredError };
  return Object.fromEntries(
    Object.entries(measures).map(([name, value]) => [
      prefix === "" ? name : prefix + name[0].toUpperCase() + name.slice(1),
      round(value),
    ]),
  );
}

function round(value: number): number {
  return Number(value.toFixed(5));
}

/** For people: a small table, and one sentence where two models are compared. */
export function describeResults(results: readonly NamedResult[]): string {
  const header = ["", "progressive AUC", "logloss", "evaluation AUC", "logloss", "examples/s"];
  const lines = results.flatMap((
    { model, result: { progressive, evaluation, examplesPerSecond } },
  ) =>
    progressive.map((quality, i) => [
      progressive.length === 1 ? model : `${model} ${quality.task}`,
      ...cells(quality),
      ...cells(evaluation?.[i]),
      i === 0 ? Math.round(examplesPerSecond).toLocaleString("en") : "",
    ])
  );
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column].length))
  );
  const text = [header, ...lines].map((line) =>
    line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
  const [first, second] = results;
  if (first !== undefined && Number.isNaN(first.result.progressive[0].goodness)) {
    text.push(
      "\nNaN: all examples trained on have one label, so there is no order to measure. " +
        "Do the label rules (joiner.tasks) suit these values? --label-at-least sets another bound.",
    );
  }
  const [one, other] = [first, second].map((named) => named?.result.evaluation?.[0]);
  if (one !== undefined && other !== undefined) {
    const isValue = !Number.isNaN(one.meanSquaredError);
    const difference = one.goodness - other.goodness;
    const verb = isValue ? "better" : "above";
    text.push(
      `\nEvaluated on ${one.examples.toLocaleString("en")} examples held back, ` +
        `${first.model} is ${Math.abs(difference).toFixed(4)} ` +
        `${isValue ? "squared error" : "AUC"} ${
          difference >= 0 ? verb : isValue ? "worse" : "below"
        } ${isValue ? "than " : ""}${second.model}.`,
    );
  }
  return text.join("\n") + "\n";
}

/** AUC and logloss; of a predicted value, the squared error in the place of the loss. */
function cells(quality: Quality | undefined): [string, string] {
  if (quality === undefined) return ["-", "-"];
  const { auc, logloss, meanSquaredError } = quality;
  return Number.isNaN(meanSquaredError)
    ? [auc.toFixed(4), logloss.toFixed(4)]
    : ["-", `${meanSquaredError.toFixed(4)} (squared error)`];
}
