/**
 * What `cairn model export` does: a model of the configuration as an ONNX file that any runtime reads.
 */
import { createModel } from "../../kernels/dense/models/create_model.ts";
import type { Model } from "../../kernels/dense/models/model.ts";
import { exportOnnx } from "../../kernels/dense/inference_session.ts";
import { encodeModel } from "../../kernels/dense/onnx/encode_model.ts";
import { trainingModel } from "../../kernels/dense/sessions/training_model.ts";
import { compileTraining } from "../../kernels/dense/training_graph.ts";
import {
  createTrainingSession,
  type TrainingCheckpoint,
} from "../../kernels/dense/training_session.ts";
import { averageWeights, type DenseWeights } from "../../kernels/dense/weights.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart, readPart } from "../../records/snapshot_parts.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { CommandError } from "../errors.ts";

/** Which graph, with which weights. */
export interface ModelExport {
  /** The training step instead of the function from inputs to logits. */
  readonly training: boolean;
  /** A data directory: weights of its newest snapshot. Left out: untrained ones. */
  readonly from?: string;
}

/** What was written. */
export interface ExportedModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Training steps behind the weights; undefined for a training step, whose weights are inputs. */
  readonly version: number | undefined;
}

/** @throws {CommandError} When the data directory has no snapshot, or one of another model. */
export async function exportModel(
  configuration: CairnConfiguration,
  { training, from }: ModelExport,
): Promise<ExportedModel> {
  const model = createModel(configuration.model, configuration.modelSizes);
  if (training) {
    const compiled = compileTraining(model, configuration.session.optimizer);
    return { bytes: encodeModel(trainingModel(compiled)), version: undefined };
  }
  const weights = await weightsOf(model, configuration, from);
  return { bytes: exportOnnx(model, weights), version: weights.version };
}

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

/** Of all trainers at the newest cut. */
async function readCheckpoints(path: string): Promise<TrainingCheckpoint[]> {
  const blobs = new DirectoryBlobStore(`${path}/blobs`);
  const [newest] = await readManifests(blobs);
  if (newest === undefined) {
    throw new CommandError(
      `Cannot export from ${path}: it holds no snapshot. Give the folder that storage.path names, ` +
        `after a server has learned in it.`,
    );
  }
  const kernel = BatchKernel.create();
  return await Promise.all(
    newest.trainers.map(async ({ checkpoint }) =>
      decodePart<TrainingCheckpoint>(await readPart(blobs, kernel, checkpoint))
    ),
  );
}
