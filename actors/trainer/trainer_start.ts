/**
 * The start of a trainer: the snapshot from which its dense model and its progress begin.
 */
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { PartitionStart } from "./chunk_batches.ts";
import type { Progress, Progresses } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";
import type { TrainerMessage } from "./protocol.ts";
import type { Recovery } from "./recovery.ts";
import type { Refusals } from "./refusals.ts";
import {
  findResumePoint,
  type LearnedChunks,
  requireExamples,
  requireLearned,
  requireUntrimmed,
  restoreModel,
  trimmedBehind,
  warnOfDifferences,
  warnOfTrimmed,
} from "./resume_point.ts";
import type { AppliedSequences } from "./shard_client.ts";

export interface StartParts {
  readonly context: ActorContext<TrainerMessage>;
  readonly options: Pick<TrainerOptions, "name" | "partitions" | "partitionedFrom" | "ownBlobs">;
  readonly blobs: BlobStore;
  readonly exampleLog: EventLog;
  /** Before its first step. */
  readonly session: TrainingSession;
}

/** The parts of a start on shards that have opened. */
export interface ResumeParts extends StartParts {
  /** By partition, chunks of which the shards have learned. */
  readonly learned: LearnedChunks;
}

/**
 * Restores the weights of the newest snapshot, to be served while the shards load their rows.
 *
 * @returns False without a snapshot of these partitions.
 */
export async function serveNewest(parts: StartParts): Promise<boolean> {
  const { context, blobs, session, options } = parts;
  const { name, partitions } = options;
  const all = new Map(partitions.map((partition) => [partition, [Infinity]]));
  const newest = await findResumePoint(blobs, all, options);
  if (newest === undefined) return false;
  await restoreModel(session, newest.state.model);
  context.telemetry.log(
    "info",
    `${name} waits for its shards, and learns when they have their rows`,
  );
  return true;
}

/**
 * Restores the dense model, and the judgement of the last batches, from the newest snapshot that
 * all shards have reached.
 *
 * @param applied The sequences up to which each shard has applied the partitions' gradients.
 * @returns By partition, where the rows after the snapshot's cut begin; empty without a snapshot.
 * @throws {ExamplesLostError} When the log ends before the cut.
 * @throws {ExamplesTrimmedError} When it begins behind the cut.
 * @throws {ShardAheadError} When it has lost a chunk of which a shard has learned.
 */
export async function resumeModel(
  parts: ResumeParts,
  applied: AppliedSequences,
  judges: { readonly refusals: Refusals; readonly recovery: Recovery },
): Promise<Progresses> {
  const cut = await restoreNewest(parts, applied, judges);
  await requireLearned(parts.exampleLog, parts.learned);
  const { context: { telemetry }, options: { name } } = parts;
  for (const partition of await judges.refusals.giveUpLost(cut)) {
    const message = `${name} records and learns rows of partition ${partition} anew: the example ` +
      "log has lost some that were put aside or passed over";
    telemetry.log("warn", message);
  }
  return cut;
}

async function restoreNewest(
  parts: StartParts,
  applied: AppliedSequences,
  { refusals, recovery }: { readonly refusals: Refusals; readonly recovery: Recovery },
): Promise<Progresses> {
  const { context: { telemetry }, blobs, exampleLog, session } = parts;
  const { name, partitions, ownBlobs } = parts.options;
  const isTrimmed = await trimmedBehind(exampleLog, partitions, ownBlobs);
  const resume = await findResumePoint(blobs, applied, parts.options, isTrimmed);
  const cut = new Map<number, Progress>();
  for (const partition of partitions) {
    const part = resume?.parts.find((each) => each.partition === partition);
    const examplesFrom = ownBlobs?.examplesFrom?.[partition];
    if (part !== undefined) {
      cut.set(partition, await requireExamples(exampleLog, part, examplesFrom));
    } else if (resume !== undefined || ownBlobs !== undefined) {
      await requireUntrimmed(exampleLog, { partition, sequence: 0 }, examplesFrom);
    } else await warnOfTrimmed(telemetry, name, exampleLog, partition);
  }
  if (resume === undefined) return cut;
  const { state } = resume;
  const differences = await restoreModel(session, refusals.aboveGivenUp(state.model));
  warnOfDifferences(telemetry, name, differences);
  recovery.restore(state.judgement);
  return cut;
}

/**
 * Where a trainer begins in each partition: at the cut, with batches that end at the high-water
 * marks of shards that are ahead of it.
 */
export function partitionStarts(
  cut: Progresses,
  applied: AppliedSequences,
  refusals: Refusals,
): PartitionStart[] {
  return [...applied].map(([partition, byShard]) => {
    const start = cut.get(partition);
    return {
      partition,
      start,
      boundaries: byShard.filter((sequence) => sequence > (start?.sequence ?? 0)),
      skipped: refusals.skippedOf(partition),
    };
  });
}
