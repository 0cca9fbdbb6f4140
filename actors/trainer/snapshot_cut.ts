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
import type { Cut, StandingPartition, TrainerMessage } from "./protocol.ts";
import type { ShardClient } from "./shard_client.ts";

export interface SnapshotCutParts {
  readonly context: ActorContext<TrainerMessage>;
  readonly blobs: BlobStore;
  readonly kernel: BatchKernel;
  readonly shards: ShardClient;
}

/** Where a partition is cut. */
export type PartitionCut = Omit<TrainerPart, "checkpoint">;

/** The state of a trainer at the cut: weights, optimizer state and shards hold exactly its rows. */
export interface StateAtCut {
  /** In the order in which the partitions stand. */
  readonly cuts: readonly PartitionCut[];
  readonly state: TrainerState;
}

/**
 * Makes the cut with the trainers after this one.
 *
 * @param readState Called when all other parts of the cut are written; no batch may be in flight.
 * @param own The partitions of this trainer, which holds still.
 * @returns Their parts and those of the trainers after it. Empty where no trainer has learned since
 * `unlessAt`, or where one of them takes part in no cut.
 */
export async function cutParts(
  message: Cut,
  { name, own }: { readonly name: string; readonly own: readonly StandingPartition[] },
  readState: () => Promise<StateAtCut>,
  { context, blobs, kernel, shards }: SnapshotCutParts,
): Promise<readonly TrainerPart[]> {
  const { snapshot, unlessAt } = message;
  const standing = [...message.standing, ...own];
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
  const { state, cuts } = await readState();
  invariant(
    cuts.length === own.length && cuts.every(({ sequence }, i) => sequence === own[i].sequence),
    "a trainer holds still during a cut",
  );
  return [
    ...await writeTrainerParts({ blobs, kernel, name: `${snapshot}/${name}` }, cuts, state),
    ...parts,
  ];
}

/** Writes a trainer's state to the snapshot, once for all its partitions. */
export async function writeTrainerParts(
  { blobs, kernel, name }: Pick<SnapshotCutParts, "blobs" | "kernel"> & { readonly name: string },
  cuts: readonly PartitionCut[],
  state: TrainerState,
): Promise<readonly TrainerPart[]> {
  const checkpoint = await writePart(blobs, kernel, name, encodePart(state));
  return cuts.map((cut) => ({ ...cut, checkpoint }));
}
