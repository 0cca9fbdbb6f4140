/**
 * The dense weights of the newest snapshot: a scorer begins with them, so that rankings do not wait
 * for a trainer, which may be away for long.
 */
import { type CheckpointTensor, weightsOf } from "../../kernels/dense/checkpoint.ts";
import { averageWeights, type DenseWeights } from "../../kernels/dense/weights.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { readTrainerStates } from "../../records/trainer_state.ts";

/**
 * The mean of the trainers' weights; undefined without a snapshot, or where it is of another model.
 *
 * @param parameters The parameters of the model that is served.
 * @throws {Error} When the store does not give a part, or one is damaged.
 */
export async function snapshotWeights(
  blobs: BlobStore,
  parameters: readonly CheckpointTensor[],
): Promise<DenseWeights | undefined> {
  const [newest] = await readManifests(blobs);
  if (newest === undefined) return undefined;
  const states = await readTrainerStates(blobs, newest.trainers);
  const weights = states.map(({ model }) => weightsOf(model, parameters));
  const known = weights.filter((each) => each !== undefined);
  return known.length < weights.length ? undefined : averageWeights(known);
}
