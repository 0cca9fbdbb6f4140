/**
 * A trainer's share in a consistent cut. The trainers form a chain: each one holds still, asks the
 * next one to hold still, and the last one tells the shards to note the moment. On the way back
 * each trainer writes its part.
 */
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { encodePart, type TrainerPart, writePart } from "../../records/snapshot_parts.ts";
import type { TrainerState } from "../../records/trainer_state.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Cut, TrainerMessage } from "./protocol.ts";
import type { ShardClient } from "./shard_client.ts";

export interface SnapshotCutParts {
  readonly context: ActorContext<TrainerMessage>;
  readonly blobs: BlobStore;
  readonly kernel: BatchKernel;
  readonly shards: ShardClient;
}

/** The state of a trainer at the cut: weights, optimizer state and shards hold exactly its rows. */
export interface StateAtCut extends Omit<TrainerPart, "checkpoint"> {
  readonly state: TrainerState;
}

/**
 * Makes the cut with the trainers after this one.
 *
 * @param readState Called when all other parts of the cut are written; no batch may be in flight.
 * @returns This trainer's part and those of the trainers after it. Empty where no trainer has
 * learned since `unlessAt`, or where one of them takes part in no cut.
 */
export async function cutParts(
  message: Cut,
  sequence: number,
  readState: () => Promise<StateAtCut>,
  { context, blobs, kernel, shards }: SnapshotCutParts,
): Promise<readonly TrainerPart[]> {
  const { snapshot, unlessAt } = message;
  const standing = [...message.standing, shards.standing(sequence)];
  const [next, ...others] = message.others;
  let parts: readonly TrainerPart[] = [];
  if (next !== undefined) {
    // A shard's budget for each part that is to come, so that an absent trainer holds the others
    // only briefly.
    const budgetMs = Math.min(
      shards.budgetMs * message.others.length,
      context.remainingMs(message),
    );
    const trainer = context.actorRef<TrainerMessage>(next);
    ({ parts } = await trainer.ask({ ...message, standing, others }, { budgetMs }));
    if (parts.length === 0) return [];
  } else {
    if (standing.every(({ source, sequence }) => sequence === unlessAt?.[source])) return [];
    await shards.beginSnapshot(message, standing, () => context.remainingMs(message));
  }
  const { state, ...cut } = await readState();
  invariant(cut.sequence === sequence, "a trainer holds still during a cut");
  return [await writeTrainerPart(blobs, snapshot, kernel, cut, state), ...parts];
}

/** Writes a trainer's state to the snapshot. */
export async function writeTrainerPart(
  blobs: BlobStore,
  snapshot: string,
  kernel: BatchKernel,
  cut: Omit<TrainerPart, "checkpoint">,
  state: TrainerState,
): Promise<TrainerPart> {
  const name = `${snapshot}/${cut.source}`;
  return { ...cut, checkpoint: await writePart(blobs, kernel, name, encodePart(state)) };
}
