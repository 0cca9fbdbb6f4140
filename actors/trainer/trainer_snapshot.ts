/**
 * The trainer's part of a snapshot, and the choice of the one to begin from.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { TrainingCheckpoint } from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import {
  decodePart,
  encodePart,
  readManifests,
  readPart,
  type TrainerPart,
  writePart,
} from "../snapshotter/protocol.ts";

export async function writeTrainerPart(
  blobs: BlobStore,
  snapshot: string,
  kernel: BatchKernel,
  cut: Omit<TrainerPart, "checkpoint">,
  checkpoint: TrainingCheckpoint,
): Promise<TrainerPart> {
  const name = `${snapshot}/trainer`;
  return { ...cut, checkpoint: await writePart(blobs, kernel, name, encodePart(checkpoint)) };
}

/**
 * The newest snapshot whose cut every shard has reached; undefined where there is none at all.
 *
 * @param mark The lowest of the shards' marks.
 * @throws {Error} When there are snapshots but a shard is behind all of them: its rows cannot be learned again.
 */
export async function findResumePoint(
  blobs: BlobStore,
  mark: number,
): Promise<{ readonly part: TrainerPart; readonly checkpoint: TrainingCheckpoint } | undefined> {
  const manifests = await readManifests(blobs);
  if (manifests.length === 0) return undefined;
  const manifest = manifests.find(({ trainer }) => trainer.sequence <= mark);
  if (manifest === undefined) {
    throw new Error(
      `Cannot resume training: a shard has learned ${mark} rows, and the oldest snapshot begins after ${
        manifests[manifests.length - 1].trainer.sequence
      }. Restart the whole mesh: then all parts begin from one snapshot.`,
    );
  }
  const { trainer: part } = manifest;
  const bytes = await readPart(blobs, BatchKernel.create(), part.checkpoint);
  return { part, checkpoint: decodePart<TrainingCheckpoint>(bytes) };
}
