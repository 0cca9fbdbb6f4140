/**
 * The unit of a segment file: the records of one group commit, under one checksum.
 *
 *     0   u32  payload bytes
 *     4   u32  records
 *     8   f64  offset of the first record
 *     16  f64  offset up to which records were durable when the block was written
 *     24  u32  CRC-32 (IEEE) of bytes 0-23 and the payload
 *     28  payload: u32 length of each record, then the records one after another
 *
 * All little-endian.
 *
 * The durable offset tells damage from a torn tail at the next opening. A power failure may tear
 * the blocks that were not durable; a broken block below the durable offset of a later one was
 * durable, and is damaged.
 */
import { crc32 } from "node:zlib";
import type { LogRecord } from "../../ports/event_log.ts";

export const BLOCK_HEADER_BYTES = 28;
const CHECKSUM_AT = 24;

export interface BlockHeader {
  readonly payloadBytes: number;
  readonly records: number;
  readonly firstOffset: number;
  readonly durableOffset: number;
  readonly checksum: number;
}

/** The content of a block. */
export interface BlockContent {
  readonly firstOffset: number;
  /** Records before this offset are durable. */
  readonly durableOffset: number;
  readonly records: readonly Uint8Array[];
}

/** A file of the log holds other bytes than were written. */
export class LogCorruptError extends Error {
  override readonly name = "LogCorruptError";
  /**
   * @param position First damaged byte; undefined = the whole file.
   * @param cure Cure besides restoring the file. Default: to start anew.
   */
  constructor(
    readonly path: string,
    readonly position: number | undefined,
    readonly reason: string,
    cure = "or move the data directory aside and start anew",
  ) {
    const at = position === undefined ? "" : ` at byte ${position}`;
    super(`Cannot read ${path}: ${reason}${at}. Restore the file from a copy, ${cure}.`);
  }
}

/** Bytes of a block with these records. */
export function blockBytes(records: readonly Uint8Array[]): number {
  let bytes = BLOCK_HEADER_BYTES + 4 * records.length;
  for (const record of records) bytes += record.byteLength;
  return bytes;
}

/** @param room Memory for the block, used if it is large enough; its content is overwritten. */
export function encodeBlock(
  { firstOffset, durableOffset, records }: BlockContent,
  room?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bytes = blockBytes(records);
  const block = room !== undefined && room.byteLength >= bytes
    ? room.subarray(0, bytes)
    : new Uint8Array(bytes);
  const view = new DataView(block.buffer, block.byteOffset);
  view.setUint32(0, block.byteLength - BLOCK_HEADER_BYTES, true);
  view.setUint32(4, records.length, true);
  view.setFloat64(8, firstOffset, true);
  view.setFloat64(16, durableOffset, true);
  let lengthAt = BLOCK_HEADER_BYTES;
  let recordAt = BLOCK_HEADER_BYTES + 4 * records.length;
  for (const record of records) {
    view.setUint32(lengthAt, record.byteLength, true);
    block.set(record, recordAt);
    lengthAt += 4;
    recordAt += record.byteLength;
  }
  view.setUint32(CHECKSUM_AT, checksumOf(block), true);
  return block;
}

/** The header that begins at `at`; `bytes` hold all of it. */
export function decodeHeader(bytes: Uint8Array, at = 0): BlockHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEADER_BYTES);
  return {
    payloadBytes: view.getUint32(0, true),
    records: view.getUint32(4, true),
    firstOffset: view.getFloat64(8, true),
    durableOffset: view.getFloat64(16, true),
    checksum: view.getUint32(CHECKSUM_AT, true),
  };
}

/** Whether a whole block's bytes are the ones that were written. */
export function isIntact(block: Uint8Array): boolean {
  if (block.byteLength < BLOCK_HEADER_BYTES) return false;
  const { payloadBytes, checksum } = decodeHeader(block);
  return payloadBytes === block.byteLength - BLOCK_HEADER_BYTES && checksum === checksumOf(block);
}

/**
 * Records of an intact block, from offset `from` on, at most `recordsMax`. They share one copy of
 * their bytes: a caller that keeps one record keeps the memory of all.
 */
export function decodeRecords(block: Uint8Array, from: number, recordsMax: number): LogRecord[] {
  const { records, firstOffset } = decodeHeader(block);
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const lengthOf = (i: number) => view.getUint32(BLOCK_HEADER_BYTES + 4 * i, true);
  const first = Math.min(records, Math.max(0, from - firstOffset));
  const end = Math.min(records, first + recordsMax);
  let begin = BLOCK_HEADER_BYTES + 4 * records;
  for (let i = 0; i < first; i++) begin += lengthOf(i);
  let bytes = 0;
  for (let i = first; i < end; i++) bytes += lengthOf(i);
  const copy = block.slice(begin, begin + bytes);
  const decoded: LogRecord[] = [];
  for (let i = first, at = 0; i < end; at += lengthOf(i++)) {
    decoded.push({ offset: firstOffset + i, bytes: copy.subarray(at, at + lengthOf(i)) });
  }
  return decoded;
}

function checksumOf(block: Uint8Array): number {
  return crc32(block.subarray(BLOCK_HEADER_BYTES), crc32(block.subarray(0, CHECKSUM_AT)));
}
