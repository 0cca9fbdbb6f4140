/**
 * The work of `cairn train`: trains a model, and the model to compare with, on the same examples,
 * and prints their quality.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Output } from "../command_line.ts";
import { openNamedDataset, typedOverrides } from "../dataset_options.ts";
import type { TrainFlags } from "./command.ts";
import type { ConfigurationOverrides } from "../configuration_overrides.ts";
import { requireProvider } from "../../server/machine/dense_sessions.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { requireReportFolder } from "../report_file.ts";
import { describeEpoch, describeResults, type NamedResult, summaryOf } from "./results.ts";
import { openSavedModel, requireEmptyFolder } from "./saved_model.ts";
import { readData, requireFiles, type TrainingData } from "./training_data.ts";
import { trainingReport } from "./training_report.ts";
import {
  describeLabels,
  describeTable,
  l2OfTable,
  sourceOf,
  type TrainingSource,
} from "./training_source.ts";
import { profilesOf } from "../../offline/datasets/profiles.ts";
import { trainModel } from "../../offline/training/train_model.ts";
import { TrainingPass } from "../../offline/training/training_pass.ts";

/** Epochs of a training that a validation file ends. */
const EPOCHS_MAX = 100;

/** The inputs of a training, the same for the model and the one to compare with. */
interface Training {
  readonly flags: TrainFlags;
  readonly source: TrainingSource;
  readonly data: TrainingData;
  /** The typed changes of the configuration. */
  readonly typed: ConfigurationOverrides;
  readonly output: Output;
}

/** Runs the command. */
export async function train(flags: TrainFlags, output: Output): Promise<void> {
  const source = await sourceOf(flags);
  const described = await configurationsOf(flags, source);
  output.err(
    source.table === undefined
      ? describeLabels(flags.path, source.config, described.configuration)
      : describeTable(flags.path, source, described.configuration),
  );
  if (source.table !== undefined && flags.valid === undefined && flags.epochs === undefined) {
    output.err("One pass over the examples; with --valid <file> it is as many as help.\n");
  }
  await requireFiles(flags);
  await requireReportFolder(flags.report);
  if (flags.save !== undefined) await requireEmptyFolder(flags.save);
  await requireProvider(described.configuration);
  const data = await readData(flags, source.table, described.configuration);
  // A configuration that was named says how much.
  const isTold = source.table === undefined || flags.config !== undefined;
  const l2 = isTold ? undefined : l2OfTable(data.training.rows);
  if (l2 !== undefined && flags.l2 === undefined) {
    const examples = data.training.rows.toLocaleString("en");
    output.err(`L2 on embeddings is ${l2} for ${examples} examples; --l2 sets another.\n`);
  }
  const { typed, configuration, rival } = await configurationsOf(flags, source, l2);

  const training = { flags, source, data, typed, output };
  const results = [await trainedModel(training, configuration, flags.save)];
  if (rival !== undefined) results.push(await trainedModel(training, rival));

  if (flags.report !== undefined) {
    await Deno.writeTextFile(flags.report, trainingReport(flags, results));
    output.err(`The report is in ${flags.report}\n`);
  }
  output.out(
    flags.json === true
      ? JSON.stringify({ dataset: flags.dataset, models: results.map(summaryOf) }) + "\n"
      : describeResults(results),
  );
}

/**
 * Trains one model, and lets it go at the end: no room is needed for two.
 *
 * @param folder Takes the trained model, with a configuration to serve it.
 */
async function trainedModel(
  training: Training,
  configuration: CairnConfiguration,
  folder?: string,
): Promise<NamedResult> {
  const { flags, source, typed, output } = training;
  await using pass = await TrainingPass.create(configuration);
  if (folder === undefined) return await trainPass(training, pass);
  const saved = await openSavedModel(folder, source.config, typed);
  try {
    const result = await trainPass(training, pass, saved.blobs);
    const dataset = await openNamedDataset(flags, configuration, flags.path, source.table);
    await saved.storeProfiles(await profilesOf(dataset));
    return result;
  } finally {
    // Training that fails may have stored the best epoch before.
    const config = await saved.close();
    if (config !== undefined) {
      output.err(
        `The model is in ${folder}. Start a server with: cairn serve --config ${config}\n`,
      );
    }
  }
}

/** Trains the model of a pass; its best epoch goes to `blobs`. */
async function trainPass(
  { flags, source, data, output }: Training,
  pass: TrainingPass,
  blobs?: BlobStore,
): Promise<NamedResult> {
  const { training, evaluation, validation } = data;
  // With a validation file training ends when it gets no better; this only bounds it.
  const epochs = flags.epochs ?? (validation === undefined ? 1 : EPOCHS_MAX);
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
}

/**
 * The configurations of the model and of the one to compare with, with the typed changes, and with
 * the default L2 for a table of labelled examples.
 */
async function configurationsOf(
  flags: TrainFlags,
  { config, table }: TrainingSource,
  l2?: number,
): Promise<{
  readonly typed: ConfigurationOverrides;
  readonly configuration: CairnConfiguration;
  readonly rival: CairnConfiguration | undefined;
}> {
  const labelled = table && { ...table, ...(l2 !== undefined && { l2 }) };
  const overrides = (flag: "--model" | "--compare", kind?: string) =>
    typedOverrides(flags, kind === undefined ? undefined : { flag, kind }, labelled);
  const typed = overrides("--model", flags.model);
  return {
    typed,
    configuration: await loadConfiguration(config, typed, { serves: false }),
    rival: flags.compare === undefined
      ? undefined
      : await loadConfiguration(config, overrides("--compare", flags.compare), { serves: false }),
  };
}
