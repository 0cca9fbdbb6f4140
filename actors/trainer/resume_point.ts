/**
 * Chooses the snapshot that a trainer begins from, and restores its dense model.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import {
  carriedOver,
  checkpointDifferences,
  type TrainingCheckpoint,
  type TrainingSession,
} from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import {
  listPinned,
  manifestName,
  readManifests,
  type SnapshotManifest,
} from "../../records/snapshot_manifest.ts";
import { decodePart, readPart, type TrainerPart } from "../../records/snapshot_parts.ts";
import type { TrainerState } from "../../records/trainer_state.ts";

/**
 * The newest snapshot whose cut every shard has reached; undefined without any snapshot.
 *
 * @param source The trainer whose part is wanted.
 * @param mark The lowest of the shards' marks for this source.
 * @throws {Error} When a shard is behind all snapshots: the rows it lacks cannot be learned again.
 */
export async function findResumePoint(
  blobs: BlobStore,
  source: string,
  mark: number,
): Promise<{ readonly part: TrainerPart; readonly state: TrainerState } | undefined> {
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
  return { part, state: decodePart<TrainerState>(bytes) };
}

/** The example log is shorter than a snapshot that was taken of it: it was damaged or replaced. */
export class ExamplesLostError extends Error {
  override readonly name = "ExamplesLostError";
  constructor({ source, partition, offset }: TrainerPart, endOffset: number) {
    super(
      `Cannot resume training: the snapshot has what ${source} learned before offset ${offset} of ` +
        `the example log (examples/${partition}), and the log ends at offset ${endOffset}. New ` +
        "examples would be taken for learned ones. Restore log and snapshots from one copy; on " +
        "Redis, storage.redis.name (by default mesh.id) is the name under which the log was " +
        "written. To keep the model and give up what the logs held, delete events/ and examples/ and restore " +
        "a snapshot with --examples skip; with storage.redis, delete nothing and restore it with " +
        "--config too.",
    );
  }
}

/**
 * Checks that the log has all records before the snapshot's cut.
 *
 * @throws {ExamplesLostError} When it ends before.
 */
export async function requireExamples(log: EventLog, part: TrainerPart): Promise<void> {
  const endOffset = await log.endOffset(part.partition);
  if (part.offset > endOffset) throw new ExamplesLostError(part, endOffset);
}

/**
 * The trainer's part of the snapshot to go back to; undefined without any.
 *
 * @param refusedAt Sequence of the snapshot that the trainer went back to last. If that is still
 *   the newest one, it has the broken model itself: it is removed where there is an older one,
 *   unless it is pinned.
 */
export async function partToGoBackTo(
  blobs: BlobStore,
  source: string,
  refusedAt: number | undefined,
): Promise<TrainerPart | undefined> {
  const [newest, older] = await readManifests(blobs);
  const partOf = (manifest: SnapshotManifest | undefined) =>
    manifest?.trainers.find((trainer) => trainer.source === source);
  const part = partOf(newest);
  const isRefused = part !== undefined && part.sequence === refusedAt;
  if (!isRefused || older === undefined) return part;
  if ((await listPinned(blobs)).includes(newest.name)) return part;
  await blobs.delete(manifestName(newest.name));
  return partOf(older);
}

/**
 * Restores a checkpoint. Where features, layers, tasks or the optimizer have changed since, the
 * model keeps the weights that still fit.
 *
 * @param session Before its first step.
 * @returns The differences between the checkpoint and the model, in words; empty where it fits.
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

/** Says so where the snapshot's model and the present one differ. */
export function warnOfDifferences(
  telemetry: Telemetry,
  source: string,
  differences: readonly string[],
): void {
  if (differences.length === 0) return;
  const message = `The dense model of ${source} differs from its snapshot's: new parts have ` +
    "initial weights, and the optimizer's state begins anew";
  telemetry.log("warn", message, { differences });
}

/** Says so where the log lacks examples that no snapshot holds. */
export async function warnOfTrimmed(
  telemetry: Telemetry,
  source: string,
  exampleLog: EventLog,
  partition: number,
): Promise<void> {
  const [oldest] = await exampleLog.read(partition, 0, 1);
  if (oldest === undefined || oldest.offset === 0) return;
  telemetry.log(
    "warn",
    `${source} begins without a snapshot, and the example log examples/${partition} begins at ` +
      `offset ${oldest.offset}: the examples before are not learned again`,
  );
}
