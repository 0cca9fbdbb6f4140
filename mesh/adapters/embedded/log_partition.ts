/**
 * A partition of the embedded event log: a directory of segment files, opened by one thread.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Files } from "../../ports/files.ts";
import { Listeners } from "../../runtime/listeners.ts";
import type { CommittedOffsets } from "./committed_offsets.ts";
import { makeDirectory } from "./durable_directory.ts";
import { durableEvidence } from "./durable_evidence.ts";
import type { EmbeddedEventLogOptions } from "./embedded_event_log.ts";
import type { LogEnds } from "./log_ends.ts";
import { PartitionBegin } from "./partition_begin.ts";
import { listSegments, listTornTails, type SegmentFile } from "./segment_files.ts";
import { SegmentReader } from "./segment_reader.ts";
import { SegmentWriter } from "./segment_writer.ts";
import { SyncedEnd } from "./synced_end.ts";

/** One partition as a thread has it open. */
export interface LogPartition {
  readonly directory: string;
  readonly reader: SegmentReader;
  readonly writer: SegmentWriter | undefined;
  /** Undefined where this thread does not write, or does not sync. */
  readonly syncedEnd: SyncedEnd | undefined;
  /** Undefined where this thread does not write. */
  readonly begin: PartitionBegin | undefined;
  readonly listeners: Listeners<[]>;
  endOffset: number;
  /** Records before this offset are trimmed. */
  floor: number;
  /**
   * Bytes of the segments found at the opening, minus every segment trimmed since. The present size
   * is this and the writer's `bytes`.
   */
  bytesBefore: number;
}

/** The parts of the log that its partitions use. */
export interface LogPartitionParts {
  /** Bytes on disk of all partitions together before appends fail. */
  readonly bytesMax: number;
  readonly files: Files;
  readonly clock: Clock;
  readonly offsets: CommittedOffsets;
  readonly ends: LogEnds;
  onDurable(endOffset: number): void;
}

const SEGMENT_BYTES_USUAL = 64 * 2 ** 20;

/** The trim floor is stored like a consumer's offset, under a name that no consumer can have. */
export const FLOOR_NAME = "(trimmed)";

/**
 * Opens a partition, or makes it.
 *
 * @throws {LogCorruptError} Durable records are damaged or missing.
 */
export function openLogPartition(
  partition: number,
  options: EmbeddedEventLogOptions,
  { bytesMax, files, clock, offsets, ends, onDurable }: LogPartitionParts,
): LogPartition {
  const { directory: root, mode, segmentBytesMax, durability, partitions } = options;
  const directory = `${root}/${partition}`;
  const floor = offsets.get(FLOOR_NAME, partition);
  if (mode === "write") makeDirectory(directory, files);
  const begin = mode === "write" ? new PartitionBegin(directory, floor, files) : undefined;
  const writer = mode === "read" ? undefined : new SegmentWriter({
    directory,
    files,
    clock,
    segmentBytesMax: segmentBytesMax ??
      Math.min(SEGMENT_BYTES_USUAL, bytesMax / (8 * partitions)),
    durability: durability ?? "disk",
    evidence: durableEvidence(directory, partition, offsets, files),
    onDurable,
  });
  if (writer?.torn) options.onTornTail?.(writer.torn);
  return {
    directory,
    reader: new SegmentReader(directory, files),
    writer,
    syncedEnd: writer && durability !== "process" ? new SyncedEnd(directory, files) : undefined,
    begin,
    listeners: new Listeners(),
    endOffset: writer ? writer.durableOffset : ends.load(partition),
    floor,
    bytesBefore: bytesOf(listSegments(directory, files), files),
  };
}

export async function closeLogPartition(
  { reader, writer, syncedEnd, listeners }: LogPartition,
): Promise<void> {
  listeners.clear();
  await writer?.close();
  syncedEnd?.close();
  reader.close();
}

/**
 * Removes the truncated tails of segments before an offset. Such a segment may be gone: an opening
 * removes a newest segment that its truncation left empty.
 */
export async function removeTornTails(
  directory: string,
  beforeOffset: number,
  files: Files,
): Promise<void> {
  for (const { path, firstOffset } of listTornTails(directory, files)) {
    if (firstOffset < beforeOffset) await files.remove(path);
  }
}

/** Bytes of segments on disk. */
export function bytesOf(segments: readonly SegmentFile[], files: Files): number {
  return segments.reduce((sum, { path }) => sum + files.statSync(path).size, 0);
}
