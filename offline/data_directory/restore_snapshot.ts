/**
 * Makes a snapshot the newest one of a stopped server, so that the next start begins from it: an
 * older one of the same data directory, or a model of another one.
 *
 * The snapshot is copied under a new name. Profiles, logs and open windows stay. The trainers'
 * positions in the example log decide what follows:
 *
 *     learn   train on the examples after the cut again; for another directory's model, on all
 *             examples that the log still has
 *     skip    continue behind the newest example: examples up to now are never learned
 */
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import {
  newestName,
  readManifest,
  type SnapshotManifest,
  snapshotName,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import {
  chunkName,
  readPart,
  type ShardMember,
  type ShardPart,
  type SnapshotPart,
  type TrainerPart,
} from "../../records/snapshot_parts.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { lastChunkOf } from "../../records/last_record.ts";
import {
  type ExamplePosition,
  type ExampleRange,
  exampleRanges,
  LOG_BEGIN,
} from "./example_positions.ts";

/** The treatment of the examples in the log. */
export type ExamplesAfter = "learn" | "skip";

export interface SnapshotRestore {
  /** The store that the server reads. */
  readonly target: BlobStore;
  /** The store that has the snapshot; the same object as `target` for one of its own. */
  readonly source: BlobStore;
  /** Name of the snapshot in `source`. */
  readonly snapshot: string;
  readonly examples: ExamplesAfter;
  /** The target's example log; undefined where no server has used the directory. */
  readonly exampleLog: EventLog | undefined;
  /**
   * Whether partitions may have been added to the log since the snapshot: they are learned from
   * their beginnings.
   */
  readonly partitionsGrow?: boolean;
  /** Called before the snapshot counts; rejects where others use the store by now. */
  readonly requireHeld: () => Promise<void>;
  /** Wall time, ms. */
  readonly nowMs: number;
}

export interface RestoredSnapshot {
  readonly name: string;
  /** Rows of the example log that the next start trains on. */
  readonly rowsToLearn: number;
  /** Rows that are in the log, not in the snapshot, and not learned any more. */
  readonly rowsSkipped: number;
}

/** The snapshot cannot be put there. */
export class RestoreError extends Error {
  override readonly name = "RestoreError";
}

/**
 * @throws {RestoreError} When examples after the cut are no longer in the log, the log has others
 * before it, or the snapshot has another number of trainers.
 * @throws {SnapshotError | BlobDamagedError} When a part of the snapshot is missing or damaged;
 * then nothing has changed.
 */
export async function restoreSnapshot(restore: SnapshotRestore): Promise<RestoredSnapshot> {
  const { target, source, snapshot, exampleLog, nowMs } = restore;
  const manifest = await readManifest(source, snapshot);
  const ranges = exampleLog === undefined ? [] : await exampleRanges(exampleLog);
  const cuts = await cutsOf(restore, manifest, ranges);
  // Also above one that is not whole: it may have been left by a host with a fast clock.
  const name = snapshotName(nowMs, await newestName(target));
  const kernel = BatchKernel.create();
  const copy = async <P extends SnapshotPart>(part: P, copied: string): Promise<P> => {
    await target.put(copied, await readPart(source, kernel, part));
    return { ...part, name: copied };
  };
  const copyMember = async ({ cut, header, chunks }: ShardMember, prefix: string) => {
    const copiedHeader = await copy(header, `${prefix}/header`);
    const copiedChunks = [];
    for (const [number, chunk] of chunks.entries()) {
      copiedChunks.push(await copy(chunk, chunkName(prefix, number)));
    }
    return { cut, header: copiedHeader, chunks: copiedChunks };
  };
  const shards: ShardPart[] = [];
  for (const { shard, earlier, cut, header, chunks } of manifest.shards) {
    const prefix = `${name}/shard-${shard}`;
    const copiedEarlier = [];
    for (const [number, member] of earlier.entries()) {
      copiedEarlier.push(await copyMember(member, `${prefix}/earlier-${number}`));
    }
    const newest = await copyMember({ cut, header, chunks }, prefix);
    shards.push({ shard, earlier: copiedEarlier, ...newest });
  }
  const trainers: TrainerPart[] = [];
  for (const [partition, cut] of cuts.entries()) {
    const { checkpoint } = manifest.trainers[partition % manifest.trainers.length];
    const bytes = await readPart(source, kernel, checkpoint);
    const copied = { ...checkpoint, name: `${name}/trainer/${partition}` };
    await target.put(copied.name, bytes);
    trainers.push({ ...cut, source: gradientSource(partition), partition, checkpoint: copied });
  }
  await restore.requireHeld();
  await writeManifest(target, { ...manifest, name, atMs: nowMs, trainers, shards });
  const rowsToLearn = rowsBehind(cuts, ranges);
  const skipped = ranges.map(({ end }, partition) =>
    restore.examples === "learn" || !isOwn(restore)
      ? 0
      : end.sequence - (manifest.trainers[partition]?.sequence ?? 0)
  );
  return { name, rowsToLearn, rowsSkipped: sum(skipped) };
}

/** Rows of a log behind positions in it. */
export function rowsBehind(
  cuts: readonly Pick<ExamplePosition, "sequence">[],
  ranges: readonly ExampleRange[],
): number {
  return sum(ranges.map(({ end }, partition) => end.sequence - (cuts[partition]?.sequence ?? 0)));
}

function isOwn({ source, target }: SnapshotRestore): boolean {
  return source === target;
}

/** The position of each trainer of the restored snapshot. */
async function cutsOf(
  restore: SnapshotRestore,
  manifest: SnapshotManifest,
  ranges: readonly ExampleRange[],
): Promise<readonly ExamplePosition[]> {
  const { examples, exampleLog } = restore;
  if (exampleLog === undefined) return cutsWithoutLog(restore, manifest);
  if (examples === "skip") return ranges.map(({ end }) => end);
  if (!isOwn(restore)) return ranges.map(({ begin }) => begin);
  const problem = await cutProblem(manifest, exampleLog, ranges, restore.partitionsGrow);
  if (problem === undefined) {
    const added = ranges.slice(manifest.trainers.length);
    return [...manifest.trainers, ...added.map(() => LOG_BEGIN)];
  }
  throw new RestoreError(
    `Cannot learn again from ${manifest.name}: ${problem}. Skip the examples instead.`,
  );
}

/**
 * The reason why a snapshot's cut is no position in a log from which to learn on, without a stop at
 * its end; undefined where it is one.
 *
 * @param ranges The ranges of the log.
 * @param partitionsGrow See {@link SnapshotRestore.partitionsGrow}.
 */
export async function cutProblem(
  { trainers }: SnapshotManifest,
  exampleLog: EventLog,
  ranges: readonly ExampleRange[],
  partitionsGrow = false,
): Promise<string | undefined> {
  const added = ranges.slice(trainers.length);
  if (trainers.length > ranges.length || added.length > 0 && !partitionsGrow) {
    return `it is of ${trainers.length} trainers, and the example log has ${ranges.length} ` +
      "partitions: its positions are not of this log";
  }
  const kernel = BatchKernel.create();
  for (const part of trainers) {
    const { partition, sequence, offset, lastChunk } = part;
    const { begin, end } = ranges[partition];
    const problem = offset < begin.offset
      ? `rows ${sequence} to ${begin.sequence - 1} of partition ${partition} are trimmed`
      : offset > end.offset
      ? `the log of partition ${partition} ends at offset ${end.offset}, before its cut at ${offset}`
      : lastChunk !== undefined && await lastChunkOf(exampleLog, kernel, part) !== lastChunk
      ? `the log of partition ${partition} has other examples before its cut at ${offset}: those ` +
        "learned were lost"
      : undefined;
    if (problem !== undefined) return problem;
  }
  return added.every(({ begin }) => begin.offset === 0)
    ? undefined
    : "partitions were added to the example log since, and their first rows are trimmed";
}

/** The positions where no example log is: none was made yet, or it was lost and deleted. */
function cutsWithoutLog(restore: SnapshotRestore, { name, trainers }: SnapshotManifest) {
  if (!isOwn(restore) || trainers.every(({ offset }) => offset === 0)) return trainers;
  if (restore.examples === "skip") return trainers.map(() => LOG_BEGIN);
  throw new RestoreError(
    `Cannot learn again from ${name}: there is no example log. Skip the examples instead.`,
  );
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
