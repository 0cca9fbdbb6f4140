/**
 * Finds the end of a partition when its log is opened for writing.
 *
 * Blocks are read from the disk, not from the page cache: after a failed sync, or when the process
 * was killed before a sync, the cache holds bytes that a power failure would take away.
 *
 * The tail behind the last intact block is either torn, which a power failure does to blocks that
 * were not durable yet, or damaged. It is damaged if its records were durable, by the word of a
 * later intact block, of a consumer that has handled them, or of the durable end that the log
 * stores. A torn tail is truncated and saved in a file next to the segment.
 */
import { present } from "../../../structures/invariant.ts";
import type { Files } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { syncDirectory } from "./durable_directory.ts";
import { BLOCK_HEADER_BYTES, decodeHeader, isIntact, LogCorruptError } from "./segment_block.ts";
import { SegmentBlocks } from "./segment_blocks.ts";
import { listSegments, type SegmentFile, segmentPath, tornTailPath } from "./segment_files.ts";

/** A tail that was truncated. */
export interface TornTail {
  /** The segment. */
  readonly path: string;
  /** The segment's length without the tail, bytes. */
  readonly position: number;
  readonly bytes: number;
  /** The file that has the tail; undefined where it is all zeros, or could not be written. */
  readonly savedAt: string | undefined;
}

/** The end of a partition. */
export interface PartitionEnd {
  /** The newest segment; it is there. */
  readonly path: string;
  /** The end of its last block, bytes. */
  readonly position: number;
  /** The offset that the next record gets. */
  readonly endOffset: number;
  readonly torn: TornTail | undefined;
}

/** Evidence from outside the segments of how far records were durable. */
export interface DurableEvidence {
  /** Records before this offset were durable. */
  readonly offset: number;
  /** The file that says so. */
  readonly path: string;
}

/** The intact blocks from the beginning of a segment. */
export interface IntactPart {
  readonly position: number;
  readonly endOffset: number;
}

/**
 * Opens a partition's directory for writing: makes its first segment, removes a newest segment that
 * a crash left empty, and truncates a torn tail.
 *
 * @throws {LogCorruptError} A block that was durable is damaged or missing; nothing was truncated.
 */
export function recoverPartition(
  directory: string,
  evidence?: DurableEvidence,
  files: Files = denoFiles,
): PartitionEnd {
  const segments = listSegments(directory, files);
  while (segments.length > 1 && files.statSync(lastOf(segments).path).size === 0) {
    files.removeSync(lastOf(segments).path);
    segments.pop();
  }
  const last = segments.at(-1) ?? { path: segmentPath(directory, 0), firstOffset: 0 };
  const { path } = last;
  const file = files.openSync(path, { create: true, read: true, write: true });
  try {
    file.syncDataSync();
    syncDirectory(directory, files);
    files.dropCachedPages(path);
    const { tail, ...intact } = judgeEnd(last, evidence, files);
    if (tail.byteLength === 0) return { path, ...intact, torn: undefined };
    const { position } = intact;
    const savedAt = keepTail(tornTailPath(path, position), tail, files);
    file.truncateSync(position);
    file.syncDataSync();
    return { path, ...intact, torn: { path, position, bytes: tail.byteLength, savedAt } };
  } finally {
    file.close();
  }
}

/**
 * Finds the end of the newest segment, and changes nothing.
 *
 * @returns Its intact part, and the torn bytes behind it.
 * @throws {LogCorruptError} A block that was durable is damaged or missing.
 */
export function judgeEnd(
  { path, firstOffset }: SegmentFile,
  evidence?: DurableEvidence,
  files: Files = denoFiles,
): IntactPart & { readonly tail: Uint8Array } {
  const intact = readIntactPart(path, firstOffset, files);
  const { position, endOffset } = intact;
  const bytes = files.statSync(path).size - position;
  if (evidence !== undefined && evidence.offset > endOffset) {
    const fault = bytes === 0 ? "the end is missing" : "a damaged block";
    throw new LogCorruptError(
      path,
      position,
      `${fault} (by ${evidence.path}, records up to ${evidence.offset} were durable)`,
    );
  }
  if (bytes === 0) return { ...intact, tail: new Uint8Array() };
  const tail = readTail({ path, position, bytes }, files);
  const later = durablePast(tail, endOffset);
  if (later === undefined) return { ...intact, tail };
  throw new LogCorruptError(
    path,
    position,
    `a damaged block (by the block at byte ${
      position + later.at
    }, records up to ${later.durableOffset} were durable)`,
  );
}

/** Reads blocks from the beginning of a segment up to the first that is not intact. */
export function readIntactPart(
  path: string,
  firstOffset: number,
  files: Files = denoFiles,
): IntactPart {
  const blocks = new SegmentBlocks(path, files);
  try {
    let [position, endOffset] = [0, firstOffset];
    for (;;) {
      const block = blocks.blockAt(position);
      if (!block || !isIntact(block)) break;
      const header = decodeHeader(block);
      if (header.firstOffset !== endOffset) break;
      endOffset += header.records;
      position += block.byteLength;
    }
    return { position, endOffset };
  } finally {
    blocks.close();
  }
}

function readTail(
  { path, position, bytes }: { path: string; position: number; bytes: number },
  files: Files,
): Uint8Array {
  const blocks = new SegmentBlocks(path, files);
  try {
    return present(blocks.bytesAt(position, bytes), "a file is as long as it says").slice();
  } finally {
    blocks.close();
  }
}

/**
 * An intact block within the tail that says that records from `offset` on were durable. Where it
 * begins is unknown, since the block before it is broken: each byte is tried.
 */
function durablePast(
  tail: Uint8Array,
  offset: number,
): { readonly at: number; readonly durableOffset: number } | undefined {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  // A record takes at least the four bytes of its length.
  const offsetMax = offset + tail.byteLength / 4;
  for (let at = 0; at + BLOCK_HEADER_BYTES <= tail.byteLength; at++) {
    const durableOffset = view.getFloat64(at + 16, true);
    if (!(durableOffset > offset && durableOffset <= offsetMax)) continue;
    const length = BLOCK_HEADER_BYTES + view.getUint32(at, true);
    if (at + length > tail.byteLength) continue;
    if (isIntact(tail.subarray(at, at + length))) return { at, durableOffset };
  }
  return undefined;
}

/** Writes the tail to a file of its own; on a full disk the log opens all the same. */
function keepTail(savedAt: string, tail: Uint8Array, files: Files): string | undefined {
  if (tail.every((byte) => byte === 0)) return undefined;
  try {
    const file = files.openSync(savedAt, { create: true, truncate: true, write: true });
    try {
      for (let at = 0; at < tail.byteLength;) at += file.writeSync(tail.subarray(at));
    } finally {
      file.close();
    }
    return savedAt;
  } catch {
    return undefined;
  }
}

function lastOf<T>(list: readonly T[]): T {
  return present(list.at(-1), "the list has an entry");
}
