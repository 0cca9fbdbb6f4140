/**
 * The unit of a segment file: the records of one group commit, under one checksum.
 *
 * A crash can tear the last block only; nobody was told that its records are durable, so recovery drops it whole.
 *
 *     0   u32  payload bytes
 *     4   u32  records
 *     8   f64  offset of the first record
 *     16  u32  CRC-32 (IEEE) of bytes 0-15 and the payload
 *     20  payload: u32 length of each record, then the records one after another
 *
 * All little-endian.
 */
import { crc32 } from "node:zlib";
import type { LogRecord } from "../../ports/event_log.ts";

export const blockHeaderBytes = 20;

export interface BlockHeader {
  readonly payloadBytes: number;
  readonly records: number;
  readonly firstOffset: number;
  readonly checksum: number;
}

/** A file holds bytes that are not what was written. */
export class LogCorruptError extends Error {
  override readonly name = "LogCorruptError";
  constructor(readonly path: string, readonly position: number, readonly reason: string) {
    super(
      `Cannot read ${path}: ${reason} at byte ${position}. Restore the file from a copy, or move the data directory aside and start anew.`,
    );
  }
}

export function blockBytes(records: readonly Uint8Array[]): number {
  let bytes = blockHeaderBytes + 4 * records.length;
  for (const record of records) bytes += record.byteLength;
  return bytes;
}

/** @param room Where the block is made if it is large enough; what was made there before is gone. */
export function encodeBlock(
  firstOffset: number,
  records: readonly Uint8Array[],
  room?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bytes = blockBytes(records);
  const block = room !== undefined && room.byteLength >= bytes
    ? room.subarray(0, bytes)
    : new Uint8Array(bytes);
  const view = new DataView(block.buffer, block.byteOffset);
  view.setUint32(0, block.byteLength - blockHeaderBytes, true);
  view.setUint32(4, records.length, true);
  view.setFloat64(8, firstOffset, true);
  let lengthAt = blockHeaderBytes;
  let recordAt = blockHeaderBytes + 4 * records.length;
  for (const record of records) {
    view.setUint32(lengthAt, record.byteLength, true);
    block.set(record, recordAt);
    lengthAt += 4;
    recordAt += record.byteLength;
  }
  view.setUint32(16, checksumOf(block), true);
  return block;
}

/** The header at `at`, or undefined when fewer bytes than a header remain. */
export function decodeHeader(bytes: Uint8Array, at: number): BlockHeader | undefined {
  if (at + blockHeaderBytes > bytes.byteLength) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, blockHeaderBytes);
  return {
    payloadBytes: view.getUint32(0, true),
    records: view.getUint32(4, true),
    firstOffset: view.getFloat64(8, true),
    checksum: view.getUint32(16, true),
  };
}

/** Whether a whole block's bytes are those that were written. */
export function isIntact(block: Uint8Array): boolean {
  const header = decodeHeader(block, 0);
  return header !== undefined && header.payloadBytes === block.byteLength - blockHeaderBytes &&
    header.checksum === checksumOf(block);
}

/** Records `from` to `from + recordsMax` (offsets) of an intact block. They share one copy of their bytes: whoever keeps one keeps all. */
export function decodeRecords(block: Uint8Array, from: number, recordsMax: number): LogRecord[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const records = view.getUint32(4, true);
  const firstOffset = view.getFloat64(8, true);
  const lengthOf = (i: number) => view.getUint32(blockHeaderBytes + 4 * i, true);
  const first = Math.min(records, Math.max(0, from - firstOffset));
  const end = Math.min(records, first + recordsMax);
  let begin = blockHeaderBytes + 4 * records;
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
  return crc32(block.subarray(blockHeaderBytes), crc32(block.subarray(0, 16)));
}
