/**
 * What `cairn train` does: reads the examples, trains the model and its rival on them, and says how they compare.
 */
import { basename } from "node:path";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Output } from "../command_line.ts";
import type { TrainFlags } from "../commands/train.ts";
import { openNamedDataset, typedOverrides } from "../commands/dataset_options.ts";
import { DatasetError } from "../datasets/errors.ts";
import type { ExampleTable } from "../datasets/example_table.ts";
import { datasetExtractor, readExamples } from "../datasets/examples.ts";
import type { LabelledTable } from "../datasets/labelled_table.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { usageError } from "../errors.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { describeEpoch, describeResults, type NamedResult, summaryOf } from "./results.ts";
import { openSavedModel, requireEmptyFolder } from "./saved_model.ts";
import { trainingReport } from "./training_report.ts";
import { describeTable, requireBothLabels, sourceOf } from "./training_source.ts";
import { trainModel } from "./train_model.ts";
import { TrainingPass } from "./training_pass.ts";

/** Epochs of a training that a validation file ends. */
const epochsMax = 100;

/** Runs the command. */
export async function train(flags: TrainFlags, output: Output): Promise<void> {
  const source = await sourceOf(flags);
  const overrides = (flag: "--model" | "--compare", kind?: string) =>
    typedOverrides(flags, kind === undefined ? undefined : { flag, kind }, source.table);
  const typed = overrides("--model", flags.model);
  const configuration = await loadConfiguration(source.config, typed);
  const rival = flags.compare === undefined
    ? undefined
    : await loadConfiguration(source.config, overrides("--compare", flags.compare));
  output.err(describeTable(flags.path, source, configuration));
  if (source.table !== undefined && flags.valid === undefined && flags.epochs === undefined) {
    output.err("One pass over the examples; with --valid <file> it is as many as help.\n");
  }
  await requireFiles(flags);
  if (flags.save !== undefined) await requireEmptyFolder(flags.save);
  // A device that is not there is said before the files are read, too.
  await using own = await TrainingPass.create(configuration);
  const examples = exampleReader(flags, configuration, source.table);
  const [training, heldBack] = await examples(flags.path, flags.limit, (rows) => {
    const split = flags.eval === undefined ? Math.floor(rows * (1 - flags.evalFraction)) : rows;
    if (split > 0) return split;
    throw usageError(`${flags.path} has too few examples (${rows}): nothing is left to train on.`);
  });
  const evaluation = flags.eval === undefined ? heldBack : (await examples(flags.eval))[0];
  const validation = flags.valid === undefined ? undefined : (await examples(flags.valid))[0];
  requireBothLabels(flags.path, training, configuration, source.table);
  if (validation !== undefined) {
    requireBothLabels(flags.valid!, validation, configuration, source.table);
  }

  // With a validation file training ends when it gets no better; this only bounds it.
  const epochs = flags.epochs ?? (validation === undefined ? 1 : epochsMax);
  const run = async (pass: TrainingPass, blobs?: BlobStore): Promise<NamedResult> => {
    const model = pass.configuration.model.kind;
    const total = validation === undefined ? training.rows * epochs : undefined;
    const progress = new Progress(model, total, stderrTarget());
    const result = await trainModel(pass, {
      training,
      evaluation,
      ...(validation === undefined ? {} : { validation }),
      ...(blobs === undefined ? {} : { blobs }),
      shuffled: flags.shuffle ?? (source.table !== undefined && flags.timeColumn === undefined),
      denseUpdates: flags.denseUpdates ?? source.table !== undefined,
      epochs,
      patience: flags.patience,
      plateauFactor: flags.plateauFactor,
      onProgress: (examples, epoch, loss) =>
        progress.update(examples, `epoch ${epoch}  loss ${loss.toFixed(4)}`),
      onEpoch: (epoch, isBest) => {
        const text = describeEpoch(epoch, isBest);
        if (text !== undefined) progress.note(`${model} ${text}`);
      },
    });
    progress.finish(
      result.examples * result.epochs.length,
      `${Math.round(result.examplesPerSecond).toLocaleString("en")} examples/s`,
    );
    if (result.rowsWithoutRoom > 0) {
      output.err(
        `${model}: the embeddings were full, and ${
          result.rowsWithoutRoom.toLocaleString("en")
        } times a row was forgotten or not made; raise embeddings.bytesMax, by --set embeddings.bytesMax=2GiB for one\n`,
      );
    }
    return { model, result };
  };
  const saved = flags.save === undefined
    ? undefined
    : await openSavedModel(flags.save, source.config, typed);
  const results = [await run(own, saved?.blobs).finally(() => saved?.release())];
  if (rival !== undefined) {
    await using pass = await TrainingPass.create(rival);
    results.push(await run(pass));
  }
  if (saved !== undefined) {
    output.err(`The model is in ${flags.save}: deno task cairn serve --config ${saved.config}\n`);
  }

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

/** @throws {DatasetError} One of the files is missing: said before minutes are spent on reading the first. */
async function requireFiles({ valid, eval: evaluation }: TrainFlags): Promise<void> {
  for (const file of [valid, evaluation]) {
    if (file === undefined || await Deno.stat(file).then(() => true, () => false)) continue;
    throw new DatasetError(file, undefined, "there is no such file.");
  }
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
    const progress = new Progress(`reading ${basename(path)}`, undefined, stderrTarget());
    const count = (rows: number) => `${rows.toLocaleString("en")} examples`;
    const all = await readExamples(dataset, {
      extractor: datasetExtractor(schema, dataset, itemCacheBytesMax),
      tasks: configuration.joiner.tasks,
      onProgress: (rows) => progress.update(rows, count(rows)),
    });
    progress.finish(all.rows, count(all.rows));
    if (all.rows === 0) throw new DatasetError(path, undefined, "it has no examples.");
    const rows = Math.min(all.rows, rowsMax);
    const split = splitAt(rows);
    return [all.slice(0, split), all.slice(split, rows)];
  };
}
