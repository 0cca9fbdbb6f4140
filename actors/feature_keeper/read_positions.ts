/**
 * How far a keeper has read the event log, with its newest record of each partition: after a
 * fail-over that lost records, an offset alone may name another record than it did.
 */
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { endOffsets, type EventLog } from "../../mesh/ports/event_log.ts";
import { lastRecordOf } from "../../records/last_record.ts";
import type { OrderedRecord } from "./ordered_reader.ts";

/** The end of the records that were read, by partition of the event log. */
export interface ReadEnd {
  readonly offsets: readonly number[];
  /** CRC-32C of the newest record; null before the first. */
  readonly lastRecords: readonly (number | null)[];
}

export class ReadPositions {
  readonly #kernel: BatchKernel;
  readonly #offsets: number[];
  /** The newest records, or the checksums that the begin had. */
  readonly #newest: (Uint8Array | number | null)[];

  /** @param begin The end of the records that were read before. */
  constructor(kernel: BatchKernel, { offsets, lastRecords }: ReadEnd) {
    this.#kernel = kernel;
    this.#offsets = [...offsets];
    this.#newest = offsets.map((_, partition) => lastRecords[partition] ?? null);
  }

  /** The offset after the newest record, by partition. */
  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /** Notes the next record of a partition. */
  take({ partition, offset, bytes }: Pick<OrderedRecord, "partition" | "offset" | "bytes">): void {
    this.#offsets[partition] = offset + 1;
    this.#newest[partition] = bytes;
  }

  /** The end of the records that were read until now. */
  end(): ReadEnd {
    return {
      offsets: [...this.#offsets],
      lastRecords: this.#newest.map((newest) =>
        newest instanceof Uint8Array ? this.#kernel.crc32c(newest) : newest
      ),
    };
  }
}

/**
 * Whether the log has the records before the end of an earlier reader, and no others at their
 * offsets. A record that was trimmed since cannot be compared, and counts as the same.
 *
 * @throws {LogUnavailableError | LogTailLostError} The log cannot be read.
 */
export async function hasRecordsBefore(
  log: Pick<EventLog, "partitions" | "endOffset" | "read">,
  kernel: BatchKernel,
  { offsets, lastRecords }: ReadEnd,
): Promise<boolean> {
  const ends = await endOffsets(log);
  // Partitions may have been added since.
  if (offsets.length > ends.length) return false;
  for (const [partition, offset] of offsets.entries()) {
    if (offset > ends[partition]) return false;
    const expected = lastRecords[partition];
    if (expected === null) continue;
    const found = await lastRecordOf(log, kernel, { partition, offset });
    if (found !== undefined && found !== expected) return false;
  }
  return true;
}
