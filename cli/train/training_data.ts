/**
 * The examples of training, validation and evaluation.
 */
import { basename } from "node:path";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { openNamedDataset } from "../dataset_options.ts";
import type { TrainFlags } from "./command.ts";
import { DatasetError } from "../../offline/datasets/errors.ts";
import type { ExampleTable } from "../../offline/datasets/example_table.ts";
import { datasetExtractor, readExamples } from "../../offline/datasets/examples.ts";
import { KeptOfRows } from "../../offline/datasets/kept_of_rows.ts";
import type { LabelledTable } from "../../offline/datasets/labelled_table.ts";
import { usageError } from "../errors.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { requireBothLabels } from "./training_source.ts";

export interface TrainingData {
  readonly training: ExampleTable;
  /** Examples of the evaluation file, or held back from training; may be empty. */
  readonly evaluation: ExampleTable;
  readonly validation: ExampleTable | undefined;
}

/**
 * Reads the files.
 *
 * @throws {DatasetError} When one cannot be read, or has no examples.
 * @throws {CommandError} When nothing can be learned from them.
 */
export async function readData(
  flags: TrainFlags,
  table: LabelledTable | undefined,
  configuration: CairnConfiguration,
): Promise<TrainingData> {
  const examples = exampleReader(flags, configuration, table);
  const [training, heldBack] = await examples(flags.path, flags.limit, (rows) => {
    const split = flags.eval === undefined ? Math.floor(rows * (1 - flags.evalFraction)) : rows;
    if (split > 0) return split;
    throw usageError(`${flags.path} has too few examples (${rows}): nothing is left to train on.`);
  });
  const evaluation = flags.eval === undefined ? heldBack : (await examples(flags.eval))[0];
  requireBothLabels(flags, training, configuration, table);
  if (flags.valid === undefined) return { training, evaluation, validation: undefined };
  const [validation] = await examples(flags.valid);
  requireBothLabels({ ...flags, path: flags.valid }, validation, configuration, table);
  return { training, evaluation, validation };
}

/**
 * @throws {DatasetError} When one of the files is missing; checked before minutes are spent on
 * reading the first.
 */
export async function requireFiles({ valid, eval: evaluation }: TrainFlags): Promise<void> {
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
  /** The examples before and after the row `at`; without `at`, all of them come before it. */
  return async (
    path: string,
    rowsMax = Infinity,
    splitAt = (rows: number) => rows,
  ): Promise<[ExampleTable, ExampleTable]> => {
    const dataset = await openNamedDataset(flags, configuration, path, labelled);
    const progress = new Progress(`reading ${basename(path)}`, undefined, stderrTarget());
    const count = (rows: number) => `${rows.toLocaleString("en")} examples`;
    const { featureKeeper } = configuration;
    const all = await readExamples(dataset, {
      ...(featureKeeper && { kept: new KeptOfRows(featureKeeper, schema, dataset) }),
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
