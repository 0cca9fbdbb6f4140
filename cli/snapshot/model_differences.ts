/**
 * The differences between the model of a snapshot and that of a configuration.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { checkpointDifferences, tensorsIn } from "../../kernels/dense/checkpoint.ts";
import { createModel } from "../../kernels/dense/models/create_model.ts";
import { compileTraining } from "../../kernels/dense/training_graph.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readManifest } from "../../records/snapshot_manifest.ts";
import { decodePart, readPart, type ShardHeader } from "../../records/snapshot_parts.ts";
import { readTrainerStates } from "../../records/trainer_state.ts";

type SlotNames = ShardHeader["slotNames"];

/**
 * The slots that only one of them has, and the tensors of the dense model that differ, as a trainer
 * logs them at its start.
 *
 * @throws {SnapshotError | BlobDamagedError} When a part of the snapshot is missing or damaged.
 */
export async function modelDifferences(
  blobs: BlobStore,
  snapshot: string,
  { model, modelSizes, session, embeddingShard }: CairnConfiguration,
): Promise<readonly string[]> {
  const { shards: [shard], trainers } = await readManifest(blobs, snapshot);
  const bytes = await readPart(blobs, BatchKernel.create(), shard.header);
  const { slotNames } = decodePart<ShardHeader>(bytes);
  const [saved] = await readTrainerStates(blobs, trainers.slice(0, 1));
  const { parameters, state } = compileTraining(createModel(model, modelSizes), session.optimizer);
  const configured = { layout: tensorsIn(parameters), vectors: state };
  return [
    ...slotDifferences(slotNames, embeddingShard.slotNames),
    ...checkpointDifferences(saved.model, configured),
  ];
}

function slotDifferences(before: SlotNames, now: SlotNames): string[] {
  return Object.keys({ ...before, ...now }).map(Number).flatMap((slot) => {
    const [from, to] = [before, now].map((names) => names[slot] ?? "none");
    return from === to ? [] : [`slot ${from} -> ${to}`];
  });
}
