/**
 * Reads a partition's segment files, usually right behind the writer: it remembers where the last
 * read ended, and keeps a sparse index for readers that begin elsewhere.
 *
 * A reader may buffer bytes behind the durable end while they are being written or taken back. So a
 * block that is not as it should be is read from the file once more before it counts as damaged.
 */
import { invariant, present } from "../../../structures/invariant.ts";
import type { LogRecord } from "../../ports/event_log.ts";
import { type Files, isNotFound } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { decodeHeader, decodeRecords, LogCorruptError } from "./segment_block.ts";
import { SegmentBlocks } from "./segment_blocks.ts";
import { listSegments, type SegmentFile } from "./segment_files.ts";

/** The beginning of a block. */
interface BlockPosition {
  /** Offset of the first record in or behind it. */
  readonly offset: number;
  /** Byte in the segment. */
  readonly position: number;
}

/** A segment and the offset at which the next one begins. */
interface BoundedSegment extends SegmentFile {
  /** Infinity for the newest segment. */
  readonly endOffset: number;
}

/** The records that a call of {@link SegmentReader.read} asks for. */
interface ReadRange {
  readonly from: number;
  readonly to: number;
  readonly recordsMax: number;
}

/** The segment that is open. */
interface OpenSegment {
  readonly segment: SegmentFile;
  readonly blocks: SegmentBlocks;
  /** Beginnings of blocks, ascending, one per {@link INDEX_BYTES}. */
  readonly index: BlockPosition[];
  /** The block behind the last one read. */
  next: BlockPosition;
}

const INDEX_BYTES = 1024 * 1024;

export class SegmentReader {
  readonly #directory: string;
  readonly #files: Files;
  #segments: readonly SegmentFile[];
  #open: OpenSegment | undefined;
  /** Memory for the next segment's buffer. */
  #buffer: Uint8Array<ArrayBuffer> | undefined;

  constructor(directory: string, files: Files = denoFiles) {
    this.#directory = directory;
    this.#files = files;
    this.#segments = listSegments(directory, files);
  }

  /**
   * Records from `fromOffset`, or from the oldest record that is retained, at most `recordsMax`.
   *
   * @param endOffset Records from here on are not durable yet and are not read.
   * @throws {LogCorruptError} When a durable block is damaged or missing.
   */
  read(fromOffset: number, recordsMax: number, endOffset: number): LogRecord[] {
    const records: LogRecord[] = [];
    let next = fromOffset;
    while (next < endOffset && records.length < recordsMax) {
      const segment = this.#openSegmentOf(next);
      if (segment === undefined) break;
      const from = Math.max(next, segment.firstOffset);
      const to = Math.min(endOffset, segment.endOffset);
      const end = this.#readSegment({ from, to, recordsMax }, records);
      invariant(
        end > next || this.#findSegment(next)?.path !== segment.path,
        "a read that gets no further goes on in another segment",
      );
      next = Math.max(next, end); // the segment may end before the offset: a newer one has it
    }
    return records;
  }

  close(): void {
    this.#buffer = this.#open?.blocks.close();
    this.#open = undefined;
  }

  /**
   * Opens the segment that has the offset. The list of segments is renewed when it proves old: the
   * writer adds segments, and a trim removes them.
   */
  #openSegmentOf(offset: number): BoundedSegment | undefined {
    const segment = this.#findSegment(offset);
    if (segment !== undefined && this.#openSegment(segment)) return segment;
    this.#segments = listSegments(this.#directory, this.#files);
    const renewed = this.#findSegment(offset);
    return renewed !== undefined && this.#openSegment(renewed) ? renewed : undefined;
  }

  #findSegment(offset: number): BoundedSegment | undefined {
    const segments = this.#segments;
    let index = segments.length - 1;
    while (index > 0 && segments[index].firstOffset > offset) index--;
    if (index < 0) return undefined;
    return { ...segments[index], endOffset: segments[index + 1]?.firstOffset ?? Infinity };
  }

  /** False when the file is gone. */
  #openSegment(segment: SegmentFile): boolean {
    if (this.#open?.segment.path === segment.path) return true;
    this.close();
    let blocks: SegmentBlocks;
    try {
      blocks = new SegmentBlocks(segment.path, this.#files, this.#buffer);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    this.#open = {
      segment,
      blocks,
      index: [],
      next: { offset: segment.firstOffset, position: 0 },
    };
    return true;
  }

  /** Appends records of the open segment to `records`; returns the offset to go on from. */
  #readSegment({ from, to, recordsMax }: ReadRange, records: LogRecord[]): number {
    const open = present(this.#open, "a segment is open while it is read");
    let { offset, position } = this.#startOf(open, from);
    while (offset < to && records.length < recordsMax) {
      const block = this.#blockAt(open, { offset, position }, from);
      if (block === undefined) return this.#endOfSegment(open, { offset, position });
      const header = decodeHeader(block);
      this.#noteBlock(open, { offset, position });
      const end = offset + header.records;
      if (end > from) {
        for (const record of decodeRecords(block, from, recordsMax - records.length)) {
          if (record.offset < to) records.push(record);
        }
        const last = records.at(-1);
        if (last !== undefined && records.length >= recordsMax && last.offset + 1 < end) {
          open.next = { offset, position }; // the rest of this block is read next time
          return last.offset + 1;
        }
      }
      offset = end;
      position += block.byteLength;
    }
    open.next = { offset, position };
    return offset;
  }

  /**
   * The block that begins here. It is verified when it has records from `from` on, and read from
   * the file a second time when it is not as it should be.
   */
  #blockAt(
    open: OpenSegment,
    { offset, position }: BlockPosition,
    from: number,
  ): Uint8Array | undefined {
    let problem: string | undefined;
    for (let attempt = 0; attempt < 2; attempt++) {
      if (attempt > 0) open.blocks.forget();
      const block = open.blocks.blockAt(position);
      problem = undefined;
      if (block === undefined) continue;
      const { firstOffset, records } = decodeHeader(block);
      if (firstOffset !== offset) problem = `offset ${firstOffset} stands where ${offset} belongs`;
      else if (offset + records <= from || open.blocks.isIntactAt(position)) return block;
      else problem = "checksum mismatch";
    }
    if (problem === undefined) return undefined;
    throw new LogCorruptError(open.segment.path, position, problem);
  }

  /** Whether the known list has a segment after the open one that begins at the offset. */
  #beginsElsewhere(offset: number, { segment }: OpenSegment): boolean {
    const next = this.#findSegment(offset);
    return next?.firstOffset === offset && next.path !== segment.path;
  }

  /** The file ends although durable records follow: they are in a newer segment, or missing. */
  #endOfSegment(open: OpenSegment, { offset, position }: BlockPosition): number {
    if (this.#beginsElsewhere(offset, open)) return offset;
    this.#segments = listSegments(this.#directory, this.#files);
    if (this.#beginsElsewhere(offset, open)) return offset;
    throw new LogCorruptError(
      open.segment.path,
      position,
      `the file ends before record ${offset}, which was durable,`,
    );
  }

  /** The last known block that begins at or before `offset`. */
  #startOf(open: OpenSegment, offset: number): BlockPosition {
    const first = { offset: open.segment.firstOffset, position: 0 };
    let best = open.next.offset <= offset ? open.next : first;
    for (let i = open.index.length - 1; i >= 0; i--) {
      if (open.index[i].offset > offset) continue;
      if (open.index[i].offset > best.offset) best = open.index[i];
      break;
    }
    return best;
  }

  #noteBlock(open: OpenSegment, block: BlockPosition): void {
    const last = open.index.at(-1);
    if (block.position - (last?.position ?? 0) >= INDEX_BYTES) open.index.push(block);
  }
}
