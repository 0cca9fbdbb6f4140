/**
 * What `cairn train` does: reads the examples, trains the model and its rival on them, and says how they compare.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Output } from "../command_line.ts";
import type { TrainFlags } from "../commands/train.ts";
import { configurationFor, openNamedDataset } from "../commands/dataset_options.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { datasetExtractor, type LabelledBatch, labelledBatches } from "../datasets/examples.ts";
import { type InteractionTable, readInteractions } from "../datasets/interaction_table.ts";
import { usageError } from "../errors.ts";
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
  const configuration = await configurationFor(
    flags,
    flags.model === undefined ? undefined : { flag: "--model", kind: flags.model },
  );
  const rival = flags.compare === undefined
    ? undefined
    : await configurationFor(flags, { flag: "--compare", kind: flags.compare });
  const dataset = await openNamedDataset(flags, configuration);
  const table = await readInteractions(dataset);
  const rows = Math.min(table.rows, flags.limit ?? Infinity);
  const split = flags.eval === undefined ? Math.floor(rows * (1 - flags.evalFraction)) : rows;
  if (split === 0) {
    throw usageError(`${flags.path} has ${rows} interactions: nothing is left to train on.`);
  }
  const batches = batchMaker(configuration);
  const training = batches(dataset, table, 0, split);
  const evaluation = flags.eval === undefined
    ? batches(dataset, table, split, rows)
    : await batchesOf(flags, configuration, flags.eval);
  const validation = flags.valid === undefined
    ? []
    : await batchesOf(flags, configuration, flags.valid);

  const run = async (model: string, its: CairnConfiguration): Promise<NamedResult> => {
    const progress = new Progress(model, split * flags.epochs, stderrTarget());
    const result = await trainModel({
      configuration: its,
      training,
      evaluation,
      validation,
      epochs: flags.epochs,
      patience: flags.patience,
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
      ? JSON.stringify({ dataset: dataset.name, models: results.map(summaryOf) }) + "\n"
      : describeResults(results),
  );
}

/** Makes batches by the configuration's features and label rules. */
function batchMaker(configuration: CairnConfiguration) {
  const { schema, itemCacheBytesMax } = configuration.features;
  return (dataset: Dataset, table: InteractionTable, from: number, to: number): LabelledBatch[] => {
    const progress = new Progress("reading", to - from, stderrTarget());
    const batches: LabelledBatch[] = [];
    let rows = 0;
    const options = {
      extractor: datasetExtractor(schema, dataset, itemCacheBytesMax),
      tasks: configuration.joiner.tasks,
      batchRows: configuration.trainer.batchRows,
      from,
      to,
    };
    for (const batch of labelledBatches(dataset, table, options)) {
      batches.push(batch);
      progress.update(rows += batch.features.rows);
    }
    progress.finish(rows, `${rows.toLocaleString("en")} examples`);
    return batches;
  };
}

async function batchesOf(
  flags: TrainFlags,
  configuration: CairnConfiguration,
  path: string,
): Promise<LabelledBatch[]> {
  const dataset = await openNamedDataset(flags, configuration, path);
  const table = await readInteractions(dataset);
  return batchMaker(configuration)(dataset, table, 0, table.rows);
}

/** For machines: rounded where more digits would be noise. */
function summaryOf({ model, result }: NamedResult): Record<string, unknown> {
  const { progressive, evaluation } = result;
  return {
    model,
    examples: result.examples,
    progressiveAuc: round(progressive.auc),
    progressiveLogloss: round(progressive.logloss),
    ...(evaluation === undefined ? {} : {
      evaluationExamples: evaluation.examples,
      auc: round(evaluation.auc),
      logloss: round(evaluation.logloss),
    }),
    epochs: result.epochs.length,
    bestEpoch: result.bestEpoch,
    ...(result.epochs[0]?.validation === undefined ? {} : {
      validationAuc: result.epochs.map(({ validation }) => validation && round(validation.auc)),
    }),
    embeddingRows: result.rows,
    seconds: Number(result.seconds.toFixed(2)),
    examplesPerSecond: Math.round(result.examplesPerSecond),
  };
}

function round(value: number): number {
  return Number(value.toFixed(5));
}

/** For people: a small table, and one sentence where two models are compared. */
export function describeResults(results: readonly NamedResult[]): string {
  const header = ["", "progressive AUC", "logloss", "evaluation AUC", "logloss", "examples/s"];
  const lines = results.map(({ model, result: { progressive, evaluation, examplesPerSecond } }) => [
    model,
    progressive.auc.toFixed(4),
    progressive.logloss.toFixed(4),
    evaluation?.auc.toFixed(4) ?? "-",
    evaluation?.logloss.toFixed(4) ?? "-",
    Math.round(examplesPerSecond).toLocaleString("en"),
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column].length))
  );
  const text = [header, ...lines].map((cells) =>
    cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
    ).join("  ")
  );
  const [first, second] = results;
  if (first !== undefined && Number.isNaN(first.result.progressive.auc)) {
    text.push(
      "\nNaN: all examples trained on have one label, so there is no order to measure. " +
        "Do the label rules (joiner.tasks) suit these values? --label-at-least sets another bound.",
    );
  }
  if (first?.result.evaluation !== undefined && second?.result.evaluation !== undefined) {
    const difference = first.result.evaluation.auc - second.result.evaluation.auc;
    const verb = difference >= 0 ? "above" : "below";
    text.push(
      `\nEvaluated on ${
        first.result.evaluation.examples.toLocaleString("en")
      } examples held back, ` +
        `${first.model} is ${Math.abs(difference).toFixed(4)} AUC ${verb} ${second.model}.`,
    );
  }
  return text.join("\n") + "\n";
}
