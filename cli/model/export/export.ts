/**
 * The work of `cairn model export`: a model of the configuration, with the weights of a snapshot,
 * as an ONNX file, or as a folder that holds the embedding tables too.
 */
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import { exportOnnx } from "../../../kernels/dense/inference_session.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import { encodeModel } from "../../../kernels/dense/onnx/encode_model.ts";
import { trainingModel } from "../../../kernels/dense/sessions/training_model.ts";
import { compileTraining } from "../../../kernels/dense/training_graph.ts";
import {
  createTrainingSession,
  type TrainingCheckpoint,
} from "../../../kernels/dense/training_session.ts";
import { averageWeights, type DenseWeights } from "../../../kernels/dense/weights.ts";
import { openExistingBlobs } from "../../../offline/data_directory/existing_stores.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { readTrainerStates } from "../../../records/trainer_state.ts";
import type { Output } from "../../command_line.ts";
import { findPlaces } from "../../data_places.ts";
import { CommandError } from "../../errors.ts";
import { loadConfiguration } from "../../load_configuration.ts";
import type { ExportFlags } from "./command.ts";

/**
 * @throws {CommandError} When the data directory has no snapshot of this model, or the file cannot
 * be written.
 */
export async function exportModel(
  file: string,
  flags: ExportFlags,
  output: Output,
): Promise<void> {
  const configuration = await loadConfiguration(flags.config, {
    assignments: flags.set,
    ...(flags.model !== undefined && { model: { flag: "--model", kind: flags.model } }),
  }, { serves: false });
  if (flags.tables) return await exportWithTables(file, configuration, flags, output);
  const { bytes, version } = flags.training
    ? trainingStep(configuration)
    : await trainedModel(configuration, flags.from);
  await writeModel(file, bytes);
  const weights = version === undefined
    ? "the training step, weights are inputs"
    : `weights after ${version} training ${version === 1 ? "step" : "steps"}`;
  if (!flags.training && flags.from === undefined) {
    output.err("The weights are untrained: --from <data directory> exports learned ones.\n");
  }
  output.out(`${file}: ${configuration.model.kind}, ${bytes.length} bytes, ${weights}\n`);
}

async function exportWithTables(
  folder: string,
  configuration: CairnConfiguration,
  { from, training }: ExportFlags,
  output: Output,
): Promise<void> {
  if (from === undefined || training) {
    throw new CommandError(
      "Cannot export tables: --tables needs --from <data directory>, and --training has none.",
    );
  }
  const { bytes, version } = await trainedModel(configuration, from);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new CommandError(`Cannot make the folder ${folder}`, 1, cause);
  }
  await writeModel(`${folder}/model.onnx`, bytes);
  const { exportTables } = await import("./export_tables.ts");
  const model = createModel(configuration.model, configuration.modelSizes);
  const blobs = await openExistingBlobs(await findPlaces(from));
  const { rows } = await exportTables(folder, configuration, model, {
    blobs,
    trainingSteps: version ?? 0,
  });
  output.out(`${folder}: ${configuration.model.kind}, ${rows} rows, ${version} training steps\n`);
}

interface ExportedModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Training steps behind the weights; undefined for a training step, whose weights are inputs. */
  readonly version: number | undefined;
}

function trainingStep({ model, modelSizes, session }: CairnConfiguration): ExportedModel {
  const compiled = compileTraining(createModel(model, modelSizes), session.optimizer);
  return { bytes: encodeModel(trainingModel(compiled)), version: undefined };
}

async function trainedModel(
  configuration: CairnConfiguration,
  from: string | undefined,
): Promise<ExportedModel> {
  const model = createModel(configuration.model, configuration.modelSizes);
  const weights = await weightsOf(model, configuration, from);
  return { bytes: exportOnnx(model, weights), version: weights.version };
}

/**
 * The mean of the trainers' weights in the newest snapshot; untrained weights without a data
 * directory.
 */
async function weightsOf(
  model: Model,
  { session }: CairnConfiguration,
  from: string | undefined,
): Promise<DenseWeights> {
  const checkpoints = from === undefined ? [] : await readCheckpoints(from);
  const trainer = await createTrainingSession(model, { ...session, provider: "reference" });
  try {
    if (checkpoints.length === 0) return await trainer.weights();
    const all: DenseWeights[] = [];
    for (const checkpoint of checkpoints) {
      await trainer.restore(checkpoint);
      all.push(await trainer.weights());
    }
    return averageWeights(all);
  } catch (cause) {
    throw new CommandError(`Cannot export the weights of the newest snapshot in ${from}`, 1, cause);
  } finally {
    await trainer.close();
  }
}

/** The checkpoint of each trainer in the newest snapshot. */
async function readCheckpoints(path: string): Promise<TrainingCheckpoint[]> {
  const blobs = await openExistingBlobs(await findPlaces(path));
  const [newest] = await readManifests(blobs);
  if (newest === undefined) {
    throw new CommandError(`Cannot export from ${path}: it holds no finished snapshot.`);
  }
  return (await readTrainerStates(blobs, newest.trainers)).map(({ model }) => model);
}

async function writeModel(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await Deno.writeFile(file, bytes);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const reason = missing ? "its folder does not exist; make it first" : (error as Error).message;
    throw new CommandError(`Cannot write the model to ${file}: ${reason}.`);
  }
}
