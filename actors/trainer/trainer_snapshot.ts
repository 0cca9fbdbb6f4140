/**
 * The trainer's part of a snapshot, and the choice of the one to begin from.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import {
  carriedOver,
  checkpointDifferences,
  type TrainingCheckpoint,
  type TrainingSession,
} from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import {
  decodePart,
  encodePart,
  readPart,
  type TrainerPart,
  writePart,
} from "../../records/snapshot_parts.ts";

export async function writeTrainerPart(
  blobs: BlobStore,
  snapshot: string,
  kernel: BatchKernel,
  cut: Omit<TrainerPart, "checkpoint">,
  checkpoint: TrainingCheckpoint,
): Promise<TrainerPart> {
  const name = `${snapshot}/${cut.source}`;
  return { ...cut, checkpoint: await writePart(blobs, kernel, name, encodePart(checkpoint)) };
}

/**
 * The newest snapshot whose cut every shard has reached; undefined where there is none at all.
 *
 * @param source Whose part is looked for.
 * @param mark The lowest of the shards' marks for this source.
 * @throws {Error} When there are snapshots but a shard is behind all of them: its rows cannot be learned again.
 */
export async function findResumePoint(
  blobs: BlobStore,
  source: string,
  mark: number,
): Promise<{ readonly part: TrainerPart; readonly checkpoint: TrainingCheckpoint } | undefined> {
  const manifests = await readManifests(blobs);
  if (manifests.length === 0) return undefined;
  const parts = manifests.map(({ name, trainers }) => {
    const part = trainers.find((trainer) => trainer.source === source);
    if (part !== undefined) return part;
    throw new Error(
      `Cannot resume training: ${name} is of ${trainers.length} trainers and ${source} is not among them. ` +
        `Set trainer.count back, or begin with an empty data directory.`,
    );
  });
  const part = parts.find(({ sequence }) => sequence <= mark);
  if (part === undefined) {
    throw new Error(
      `Cannot resume training: a shard has learned ${mark} rows, and the oldest snapshot begins after ${
        parts[parts.length - 1].sequence
      }. Restart the whole mesh: then all parts begin from one snapshot.`,
    );
  }
  const bytes = await readPart(blobs, BatchKernel.create(), part.checkpoint);
  return { part, checkpoint: decodePart<TrainingCheckpoint>(bytes) };
}

/**
 * Goes on from a checkpoint. Where features, layers, tasks or the optimizer were changed since it was taken, the model
 * begins with the weights that it still has, and this says what differs.
 *
 * @param session Before its first step.
 * @throws {CheckpointError} When the checkpoint is damaged.
 */
export async function restoreModel(
  session: TrainingSession,
  checkpoint: TrainingCheckpoint,
): Promise<readonly string[]> {
  const initial = await session.checkpoint();
  const differences = checkpointDifferences(checkpoint, initial);
  await session.restore(differences.length === 0 ? checkpoint : carriedOver(checkpoint, initial));
  return differences;
}
