/**
 * Chooses the snapshot that a trainer begins from, and restores its dense model.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import {
  carriedOver,
  checkpointDifferences,
  meanCheckpoint,
  type TrainingCheckpoint,
  type TrainingSession,
} from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import {
  listPinned,
  manifestName,
  type SnapshotManifest,
} from "../../records/snapshot_manifest.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { type ExampleBegin, exampleBegin } from "../../records/example_begin.ts";
import { lastChunkOf } from "../../records/last_record.ts";
import { type OwnBlobs, readOwnManifests } from "../../records/own_blobs.ts";
import { NO_JUDGEMENT, readTrainerStates, type TrainerState } from "../../records/trainer_state.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { LearnedChunk } from "../embedding_shard/protocol.ts";
import type { TrainerOptions } from "./options.ts";
import type { Progress } from "./example_batch.ts";
import type { AppliedSequences } from "./shard_client.ts";

/**
 * A shard has learned less than every snapshot: it began without one, and the first was published
 * afterwards.
 */
export class ShardBehindError extends Error {
  override readonly name = "ShardBehindError";
  constructor({ partition, sequence }: TrainerPart, learned: number) {
    super(
      `Cannot resume training: a shard has learned ${learned} rows of partition ${partition}, and ` +
        `the oldest snapshot begins after ${sequence}. All shards restart from the newest snapshot.`,
    );
  }
}

/**
 * A shard has learned rows that the log does not have: its server came back with older data.
 * New rows with their numbers would be taken for learned ones.
 */
export class ShardAheadError extends Error {
  override readonly name = "ShardAheadError";
  constructor(partition: number, offset: number) {
    super(
      `Cannot resume training: a shard has learned the chunk at offset ${offset} of the example ` +
        `log (examples/${partition}), which the log has lost. All shards restart from the newest ` +
        "snapshot.",
    );
  }
}

/** The snapshot that a trainer begins from. */
export interface ResumePoint {
  /**
   * A part of each partition, in their order; without those that a later partitioning has added:
   * their trainer begins at their beginning.
   */
  readonly parts: readonly TrainerPart[];
  readonly state: TrainerState;
}

/**
 * The newest snapshot whose cut every shard has reached; undefined without any snapshot. One behind
 * which the example log is trimmed is chosen only where all others are such too.
 *
 * Where the partitions belonged to several trainers, the weights and the optimizer's state are the
 * means of theirs.
 *
 * @param applied The sequences of the shards, of the partitions that are wanted.
 * @param isTrimmed Whether the log has trimmed rows that a part has not learned. Default: never.
 * @throws {ShardBehindError} When a shard is behind all snapshots: the rows it lacks cannot be
 * learned again.
 * @throws {OtherBlobsError | SnapshotsLostError} The store is not that of the options.
 */
export async function findResumePoint(
  blobs: BlobStore,
  applied: AppliedSequences,
  { partitionedFrom, ownBlobs }: Pick<TrainerOptions, "partitionedFrom" | "ownBlobs"> = {},
  isTrimmed: (part: TrainerPart) => boolean = () => false,
): Promise<ResumePoint | undefined> {
  const manifests = await readOwnManifests(blobs, ownBlobs);
  if (manifests.length === 0) return undefined;
  const partitions = [...applied.keys()];
  const all = manifests.map((manifest) => {
    return { manifest, parts: partsOf(manifest, partitions, partitionedFrom?.second) };
  });
  const whole = all.filter(({ parts }) => !parts.some(isTrimmed));
  const usable = whole.length > 0 ? whole : all.slice(0, 1);
  const lowest = new Map([...applied].map(([partition, byShard]) => {
    return [partition, Math.min(...byShard)] as const;
  }));
  const behind = (part: TrainerPart) => part.sequence > (lowest.get(part.partition) ?? 0);
  const found = usable.find(({ parts }) => !parts.some(behind));
  if (found === undefined) {
    const oldest = present(usable.at(-1), "there are snapshots");
    const part = present(oldest.parts.find(behind), "one is behind");
    throw new ShardBehindError(part, lowest.get(part.partition) ?? 0);
  }
  const { parts, manifest } = found;
  // A trainer of added partitions alone begins with the mean of all models.
  return { parts, state: await readState(blobs, parts.length > 0 ? parts : manifest.trainers) };
}

/**
 * The parts of some partitions in a snapshot, in their order.
 *
 * @throws {Error} When it lacks one of them.
 */
function partsOf(
  { name, trainers }: SnapshotManifest,
  partitions: readonly number[],
  addedFrom = Infinity,
): readonly TrainerPart[] {
  return partitions.flatMap((partition) => {
    const part = trainers.find(({ source }) => source === gradientSource(partition));
    if (part !== undefined) return [part];
    if (partition >= addedFrom) return [];
    throw new Error(
      `Cannot resume training: ${name} is of ${trainers.length} partitions and partition ` +
        `${partition} is not among them. Set trainer.partitions back, or begin with an empty data ` +
        "directory.",
    );
  });
}

/** The state of the trainer that had the partitions, or the mean of several. */
async function readState(
  blobs: BlobStore,
  parts: readonly TrainerPart[],
): Promise<TrainerState> {
  const states = await readTrainerStates(blobs, parts);
  if (states.length === 1) return states[0];
  return { model: meanCheckpoint(states.map(({ model }) => model)), judgement: NO_JUDGEMENT };
}

/**
 * The example log lacks examples that a snapshot was taken of: it was damaged or replaced, or its
 * server has lost them.
 */
export class ExamplesLostError extends Error {
  override readonly name = "ExamplesLostError";
  /** @param found The state of the log, in words. */
  constructor({ partition, offset }: TrainerPart, found: string) {
    super(
      `Cannot resume training: the snapshot has what was learned before offset ${offset} of ` +
        `the example log (examples/${partition}), and ${found}. New ` +
        "examples would be taken for learned ones. Restore log and snapshots from one copy; on " +
        "Redis, storage.redis.name (by default mesh.id) is the name under which the log was " +
        "written. To keep the model and give up what the logs held, delete events/ and examples/ " +
        "and restore a snapshot with --examples skip; with storage.redis, delete nothing and give " +
        "the configuration in place of the directory.",
    );
  }
}

/**
 * The example log has trimmed examples that the snapshot has not learned, since later ones had:
 * these were lost, or the store is an older copy of itself.
 */
export class ExamplesTrimmedError extends Error {
  override readonly name = "ExamplesTrimmedError";
  constructor(partition: number, sequence: number, firstRow: number) {
    super(
      `Cannot resume training: the snapshots that are left have ${counted(sequence, "row")} of ` +
        `partition ${partition}, and the example log (examples/${partition}) begins at row ` +
        `${firstRow}: ${counted(firstRow - sequence, "example")} would not be learned again. Put ` +
        "the later snapshots back, or see whether the right volume is mounted. Where they are " +
        "lost, `cairn recover --accept-loss` lets a mesh on Redis go on without these examples; " +
        "one process goes on after a restore of the snapshot with --examples skip.",
    );
  }
}

/**
 * Tells of a snapshot's parts whether the log has trimmed rows that they have not learned, and that
 * were not given up.
 */
export async function trimmedBehind(
  log: Pick<EventLog, "read">,
  partitions: readonly number[],
  { examplesFrom }: Pick<OwnBlobs, "examplesFrom"> = {},
): Promise<(part: TrainerPart) => boolean> {
  const begins = new Map<number, number>();
  for (const partition of partitions) {
    const { row = 0 } = await exampleBegin(log, partition) ?? {};
    if (row > (examplesFrom?.[partition] ?? 0)) begins.set(partition, row);
  }
  return ({ partition, sequence }) => (begins.get(partition) ?? 0) > sequence;
}

/**
 * Checks that the log has all rows after a cut, but for those that were given up.
 *
 * @param examplesFrom The first row that an operator has not given up.
 * @returns Where the log begins, if that is behind the cut.
 * @throws {ExamplesTrimmedError} When it has trimmed others.
 */
export async function requireUntrimmed(
  log: Pick<EventLog, "read">,
  { partition, sequence }: Pick<TrainerPart, "partition" | "sequence">,
  examplesFrom = 0,
): Promise<ExampleBegin | undefined> {
  const begin = await exampleBegin(log, partition);
  if (begin === undefined || begin.row <= sequence) return undefined;
  if (begin.row > examplesFrom) throw new ExamplesTrimmedError(partition, sequence, begin.row);
  return begin;
}

/**
 * Checks that the log has the records before the snapshot's cut and all rows after it, and that no
 * other records have their offsets.
 *
 * @param examplesFrom The first row that an operator has not given up.
 * @returns Where the rows after the cut begin: behind the cut where some were given up.
 * @throws {ExamplesLostError} When it ends before, or holds others.
 * @throws {ExamplesTrimmedError} When it has trimmed rows after the cut that were not given up.
 */
export async function requireExamples(
  log: Pick<EventLog, "endOffset" | "read">,
  part: TrainerPart,
  examplesFrom = 0,
): Promise<Progress> {
  const { partition, sequence, offset, lastChunk, learnedThroughMs } = part;
  const endOffset = await log.endOffset(partition);
  if (offset > endOffset) {
    throw new ExamplesLostError(part, `the log ends at offset ${endOffset}`);
  }
  const begin = await requireUntrimmed(log, part, examplesFrom);
  if (begin !== undefined) return { sequence: begin.row, offset: begin.offset, learnedThroughMs };
  if (lastChunk === undefined || await lastChunkOf(log, BatchKernel.create(), part) === lastChunk) {
    return { sequence, offset, learnedThroughMs };
  }
  throw new ExamplesLostError(part, "the log has other examples there: those learned were lost");
}

/** By partition, chunks of which the shards have learned. */
export type LearnedChunks = ReadonlyMap<number, readonly LearnedChunk[]>;

/**
 * Checks that the log has the chunks of which the shards have learned, and no others at their
 * offsets. One that was trimmed is before the cut of a snapshot.
 *
 * @throws {ShardAheadError} When it has not.
 */
export async function requireLearned(
  log: Pick<EventLog, "endOffset" | "read">,
  learned: LearnedChunks,
): Promise<void> {
  const kernel = BatchKernel.create();
  for (const [partition, chunks] of learned) {
    const distinct = new Map(chunks.map((chunk) => [`${chunk.offset} ${chunk.checksum}`, chunk]));
    for (const { offset, checksum } of distinct.values()) {
      const [found] = await log.read(partition, offset, 1);
      const isTrimmed = (found?.offset ?? await log.endOffset(partition) - 1) > offset;
      if (isTrimmed || found && kernel.crc32c(found.bytes) === checksum) continue;
      throw new ShardAheadError(partition, offset);
    }
  }
}

/** Where a trainer goes on in a partition after its return to a snapshot. */
export type WayBack = Pick<TrainerPart, "partition" | "sequence">;

/**
 * Where the trainer goes on in the snapshot to go back to, by partition in their order; undefined
 * without a snapshot. A partition that was added since is learned from its beginning.
 *
 * @param refusedAt By partition, the sequence of the snapshot that the trainer went back to last.
 *   If that is still the newest one, it has the broken model itself: it is removed where there is
 *   an older one, unless it is pinned. A pinned one is not gone back to either: the example log
 *   need not have all that it has not learned.
 * @throws {OtherBlobsError | SnapshotsLostError} The store is not that of the options.
 */
export async function wayBackOf(
  blobs: BlobStore,
  { partitions, partitionedFrom, ownBlobs }: Pick<
    TrainerOptions,
    "partitions" | "partitionedFrom" | "ownBlobs"
  >,
  refusedAt: (partition: number) => number | undefined,
): Promise<readonly WayBack[] | undefined> {
  const manifests = await readOwnManifests(blobs, ownBlobs);
  const newest = manifests.at(0);
  if (newest === undefined) return undefined;
  const wayTo = (manifest: SnapshotManifest) => {
    const parts = partsOf(manifest, partitions, partitionedFrom?.second);
    return partitions.map((partition): WayBack => {
      const part = parts.find((each) => each.partition === partition);
      return { partition, sequence: part?.sequence ?? 0 };
    });
  };
  const way = wayTo(newest);
  const isRefused = way.every(({ partition, sequence }) => sequence === refusedAt(partition));
  if (!isRefused) return way;
  const pinned = new Set(await listPinned(blobs));
  const older = manifests.slice(1).find(({ name }) => !pinned.has(name));
  if (older === undefined || pinned.has(newest.name)) return way;
  await blobs.delete(manifestName(newest.name));
  return wayTo(older);
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
  name: string,
  differences: readonly string[],
): void {
  if (differences.length === 0) return;
  const message = `The dense model of ${name} differs from its snapshot's: new parts have ` +
    "initial weights, and the optimizer's state begins anew";
  telemetry.log("warn", message, { differences });
}

/** Says so where the log lacks examples that no snapshot holds. */
export async function warnOfTrimmed(
  telemetry: Telemetry,
  name: string,
  exampleLog: EventLog,
  partition: number,
): Promise<void> {
  const [oldest] = await exampleLog.read(partition, 0, 1);
  if (oldest === undefined || oldest.offset === 0) return;
  telemetry.log(
    "warn",
    `${name} begins without a snapshot, and the example log examples/${partition} begins at ` +
      `offset ${oldest.offset}: the examples before are not learned again`,
  );
}
