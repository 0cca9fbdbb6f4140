/**
 * The ends of the example log's partitions, as positions that a trainer can start from.
 */
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { exampleBegin } from "../../records/example_begin.ts";
import { decodeExamples, nextRowOf } from "../../records/example_chunk.ts";

/** A position between two chunks of a partition. */
export interface ExamplePosition {
  /** Offset of the next chunk. */
  readonly offset: number;
  /** Number of the next row: the `sequence` of a trainer that has learned all rows before it. */
  readonly sequence: number;
  /** Events accepted up to this time are in the rows before, ms. */
  readonly learnedThroughMs: number;
  /** CRC-32C of the chunk before; absent where the log does not have it. */
  readonly lastChunk?: number;
}

/** The first chunk that a partition still has, and the end of its newest one. */
export interface ExampleRange {
  readonly begin: ExamplePosition;
  readonly end: ExamplePosition;
}

/** The beginning of a log that holds nothing. */
export const LOG_BEGIN: ExamplePosition = { offset: 0, sequence: 0, learnedThroughMs: 0 };

/** The range of each partition; a partition without chunks begins and ends at 0. */
export async function exampleRanges(log: EventLog): Promise<ExampleRange[]> {
  return await Promise.all(
    Array.from({ length: log.partitions }, (_, partition) => rangeOf(log, partition)),
  );
}

async function rangeOf(log: EventLog, partition: number): Promise<ExampleRange> {
  const end = await log.endOffset(partition);
  const first = await exampleBegin(log, partition);
  const [last] = end === 0 ? [] : await log.read(partition, end - 1, 1);
  if (first === undefined || last === undefined) return { begin: LOG_BEGIN, end: LOG_BEGIN };
  const newest = decodeExamples(last.bytes);
  return {
    begin: { offset: first.offset, sequence: first.row, learnedThroughMs: 0 },
    end: {
      offset: end,
      sequence: nextRowOf(newest),
      learnedThroughMs: newest.acceptedAtMs,
      lastChunk: BatchKernel.create().crc32c(last.bytes),
    },
  };
}
