/**
 * A model in training as a snapshot, in the format that a server writes and starts from. The best
 * epoch is stored in this form until training ends, and `--save` leaves a data directory.
 */
import { restoreNewest } from "../../actors/embedding_shard/shard_restore.ts";
import {
  FORMAT,
  keepSnapshots,
  readManifests,
  type SnapshotManifest,
  snapshotName,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import {
  cutOf,
  encodePart,
  type ShardChunkPart,
  type ShardHeader,
  type ShardMember,
  type ShardPart,
  writeChunk,
  writePart,
} from "../../records/snapshot_parts.ts";
import { NO_JUDGEMENT, type TrainerState } from "../../records/trainer_state.ts";
import { findResumePoint } from "../../actors/trainer/resume_point.ts";
import { writeTrainerParts } from "../../actors/trainer/snapshot_cut.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { TrainingCheckpoint } from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { PrometheusTelemetry } from "../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { addresses } from "../../server/addresses.ts";

/** The whole state of a trained model. */
export interface TrainedModel {
  readonly tables: ClassTables;
  readonly checkpoint: TrainingCheckpoint;
}

/**
 * The position before the beginning of all logs: a server that starts from the model reads its own
 * logs from their start.
 */
const beforeAllLogs = { sequence: 0, offset: 0, learnedThroughMs: 0 };

/** Writes the model, then deletes the previous snapshot. */
export async function writeModelSnapshot(
  blobs: BlobStore,
  { tables, checkpoint }: TrainedModel,
  { partitions, embeddingShard }: CairnConfiguration,
): Promise<void> {
  const atMs = Date.now();
  const [before] = await readManifests(blobs);
  const name = snapshotName(atMs, before?.name);
  const kernel = BatchKernel.create();
  const state: TrainerState = { model: checkpoint, judgement: NO_JUDGEMENT };
  const cuts = Array.from({ length: partitions.examples }, (_, partition) => {
    return { ...beforeAllLogs, source: gradientSource(partition), partition };
  });
  const blob = { blobs, kernel, name: `${name}/${addresses.trainer(0)}` };
  const trainers = await writeTrainerParts(blob, cuts, state);
  const member = await writeTables(
    { blobs, kernel, prefix: `${name}/shard-0` },
    tables,
    embeddingShard,
  );
  const part: ShardPart = { shard: 0, earlier: [], cut: cutOf(trainers), ...member };
  const manifest: SnapshotManifest = { format: FORMAT, name, atMs, trainers, shards: [part] };
  await writeManifest(blobs, manifest);
  await keepSnapshots(blobs, [manifest]);
}

/** The blobs that a shard's part goes to. */
interface ShardTarget {
  readonly blobs: BlobStore;
  readonly kernel: BatchKernel;
  readonly prefix: string;
}

async function writeTables(
  { blobs, kernel, prefix }: ShardTarget,
  tables: ClassTables,
  { slotNames, snapshotChunkRows }: CairnConfiguration["embeddingShard"],
): Promise<Omit<ShardMember, "cut">> {
  const classes = tables.snapshots.begin();
  try {
    const head: ShardHeader = { slotNames, classes };
    const header = await writePart(blobs, kernel, `${prefix}/header`, encodePart(head));
    const chunks: ShardChunkPart[] = [];
    for (
      let chunk = tables.snapshots.nextChunk(snapshotChunkRows);
      chunk !== undefined;
      chunk = tables.snapshots.nextChunk(snapshotChunkRows)
    ) {
      chunks.push(await writeChunk(blobs, prefix, chunks.length, chunk));
    }
    return { header, chunks };
  } finally {
    tables.snapshots.end();
  }
}

/**
 * Reads the model that {@link writeModelSnapshot} wrote.
 *
 * @param tables Empty tables, which receive the rows.
 * @returns The dense model's state.
 * @throws {Error} When no model was written.
 */
export async function readModelSnapshot(
  blobs: BlobStore,
  tables: ClassTables,
  { embeddingShard }: CairnConfiguration,
): Promise<TrainingCheckpoint> {
  const whole = { ...embeddingShard, shard: 0, shards: 1 };
  // No log lines: the schema is the one that wrote it, and the tables have the same limits.
  const quiet = new PrometheusTelemetry({ logLevelMin: "error", writeLog: () => {} });
  await restoreNewest(tables, whole, blobs, quiet);
  const resume = await findResumePoint(blobs, new Map([[0, [beforeAllLogs.sequence]]]));
  if (resume === undefined) throw new Error("Cannot go back to the best epoch: it was not stored.");
  return resume.state.model;
}
