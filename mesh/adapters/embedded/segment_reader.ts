/**
 * Reads a partition's segment files, usually right behind the writer: it remembers where the last read ended, and
 * keeps a sparse index for readers that begin elsewhere.
 */
import type { LogRecord } from "../../ports/event_log.ts";
import {
  blockHeaderBytes,
  decodeHeader,
  decodeRecords,
  isIntact,
  LogCorruptError,
} from "./segment_block.ts";
import { listSegments, readAt, type SegmentFile } from "./segment_files.ts";

interface IndexEntry {
  readonly offset: number;
  readonly position: number;
}

const chunkBytes = 256 * 1024;
const indexBytes = 1024 * 1024;

export class SegmentReader {
  readonly #directory: string;
  #segments: SegmentFile[];
  #file: Deno.FsFile | undefined;
  /** The segment that is open. */
  #open: SegmentFile | undefined;
  /** Where blocks of the open segment begin, ascending, one per `indexBytes`. */
  #index: IndexEntry[] = [];
  /** The block after the last one read, in the open segment. */
  #cursor: IndexEntry = { offset: 0, position: 0 };
  #chunk = new Uint8Array(chunkBytes);
  /** Where in the open file the chunk begins; -1 when it holds nothing. */
  #chunkPosition = -1;
  #chunkLength = 0;
  /** The block in the chunk that was found intact last; NaN = none. A large one is read in several calls, and verified once. */
  #intactPosition = NaN;

  constructor(directory: string) {
    this.#directory = directory;
    this.#segments = listSegments(directory);
  }

  /** Offset of the oldest record that is kept; the end offset where there is none. */
  get firstOffset(): number {
    return this.#segments[0]?.firstOffset ?? 0;
  }

  /**
   * @param endOffset Records from here on are not (yet) durable and are not read.
   * @throws {LogCorruptError} When a block that was durable is damaged.
   */
  read(fromOffset: number, recordsMax: number, endOffset: number): LogRecord[] {
    const records: LogRecord[] = [];
    let next = fromOffset;
    while (next < endOffset && records.length < recordsMax) {
      let segment = this.#findSegment(next);
      if (!segment || !this.#openSegment(segment)) {
        this.#relist();
        segment = this.#findSegment(next);
        if (!segment || !this.#openSegment(segment)) break;
      }
      next = Math.max(next, segment.firstOffset);
      next = this.#readSegment(next, Math.min(endOffset, segment.endOffset), recordsMax, records);
    }
    return records;
  }

  /**
   * The end of a partition that another thread or process wrote, found by walking its last segment.
   *
   * @returns The offset after the last intact block, and where in the last segment that is.
   */
  findEnd(): { endOffset: number; position: number; fileBytes: number } {
    this.#segments = listSegments(this.#directory);
    const last = this.#segments.at(-1);
    if (!last) return { endOffset: 0, position: 0, fileBytes: 0 };
    this.#openSegment(last);
    this.#chunkPosition = -1;
    const fileBytes = this.#file!.statSync().size;
    let { offset, position } = this.#cursor = { offset: last.firstOffset, position: 0 };
    for (;;) {
      const block = this.#readBlock(position);
      if (!block || !isIntact(block)) break;
      const header = decodeHeader(block, 0)!;
      if (header.firstOffset !== offset) break;
      this.#noteBlock(offset, position);
      offset += header.records;
      position += block.byteLength;
    }
    return { endOffset: offset, position, fileBytes };
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#open = undefined;
  }

  #findSegment(offset: number): (SegmentFile & { readonly endOffset: number }) | undefined {
    const segments = this.#segments;
    let at = segments.length - 1;
    while (at > 0 && segments[at].firstOffset > offset) at--;
    if (at < 0) return undefined;
    return { ...segments[at], endOffset: segments[at + 1]?.firstOffset ?? Infinity };
  }

  /** Segments come by the writer's hand and go by a trim's; the listing is renewed when it proves old. */
  #relist(): void {
    this.#segments = listSegments(this.#directory);
  }

  /** False when the file is gone. */
  #openSegment(segment: SegmentFile): boolean {
    if (this.#open?.path === segment.path) return true;
    this.close();
    try {
      this.#file = Deno.openSync(segment.path, { read: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
    this.#open = segment;
    this.#chunkPosition = -1;
    this.#intactPosition = NaN;
    this.#index = [];
    this.#cursor = { offset: segment.firstOffset, position: 0 };
    return true;
  }

  /** Appends records of one segment to `records`; returns the offset after the last block looked at. */
  #readSegment(from: number, to: number, recordsMax: number, records: LogRecord[]): number {
    let { offset, position } = this.#startOf(from);
    while (offset < to && records.length < recordsMax) {
      let block = this.#readBlock(position);
      if (!block) {
        this.#relist();
        if (this.#findSegment(offset)?.firstOffset === offset) return offset; // the next segment
        throw this.#corrupt(position, "the file ends within a block");
      }
      const header = decodeHeader(block, 0)!;
      if (header.firstOffset !== offset) {
        throw this.#corrupt(
          position,
          `offset ${header.firstOffset} stands where ${offset} belongs`,
        );
      }
      this.#noteBlock(offset, position);
      if (offset + header.records > from) {
        if (this.#intactPosition !== position && !isIntact(block)) {
          this.#chunkPosition = -1; // rule out that the chunk was read while the block was written
          block = this.#readBlock(position);
          if (!block || !isIntact(block)) throw this.#corrupt(position, "checksum mismatch");
        }
        this.#intactPosition = position;
        for (const record of decodeRecords(block, from, recordsMax - records.length)) {
          if (record.offset < to) records.push(record);
        }
      }
      if (
        records.length >= recordsMax && (records.at(-1)?.offset ?? 0) + 1 < offset + header.records
      ) {
        this.#cursor = { offset, position }; // the rest of this block is read next time
        return records.at(-1)!.offset + 1;
      }
      offset += header.records;
      position += block.byteLength;
    }
    this.#cursor = { offset, position };
    return offset;
  }

  /** The last known block that begins at or before `offset`. */
  #startOf(offset: number): IndexEntry {
    const first = { offset: this.#open!.firstOffset, position: 0 };
    let best = this.#cursor.offset <= offset ? this.#cursor : first;
    for (let i = this.#index.length - 1; i >= 0; i--) {
      if (this.#index[i].offset > offset) continue;
      if (this.#index[i].offset > best.offset) best = this.#index[i];
      break;
    }
    return best;
  }

  #noteBlock(offset: number, position: number): void {
    const last = this.#index.at(-1);
    if (position - (last?.position ?? 0) >= indexBytes) this.#index.push({ offset, position });
  }

  /** One block's bytes, valid until the next call; undefined where the file ends before its end. */
  #readBlock(position: number): Uint8Array | undefined {
    let bytes = this.#buffered(position, blockHeaderBytes);
    if (!bytes) return undefined;
    const length = blockHeaderBytes + decodeHeader(bytes, 0)!.payloadBytes;
    bytes = this.#buffered(position, length);
    return bytes;
  }

  /** `length` bytes at `position`, from the chunk that is held or read anew. */
  #buffered(position: number, length: number): Uint8Array | undefined {
    let at = position - this.#chunkPosition;
    if (this.#chunkPosition < 0 || at < 0 || at + length > this.#chunkLength) {
      if (length > this.#chunk.byteLength) {
        // The header may be damaged: believe its length only as far as the file goes.
        if (position + length > this.#file!.statSync().size) return undefined;
        this.#chunk = new Uint8Array(length);
      }
      this.#chunkLength = readAt(this.#file!, position, this.#chunk);
      this.#chunkPosition = position;
      this.#intactPosition = NaN;
      at = 0;
    }
    return at + length <= this.#chunkLength ? this.#chunk.subarray(at, at + length) : undefined;
  }

  #corrupt(position: number, reason: string): LogCorruptError {
    return new LogCorruptError(this.#open!.path, position, reason);
  }
}
