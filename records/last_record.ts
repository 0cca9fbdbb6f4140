/**
 * The newest record before a position in a log, by its checksum.
 *
 * After a fail-over that lost records, others may take their offsets: an offset then names another
 * record than it did. Snapshots and the checkpoints of feature keepers therefore have the checksum
 * of the newest record before their position too, and a start compares it with the log's.
 */
import type { BatchKernel } from "../kernels/embedding/batch_kernel.ts";
import type { EventLog, LogRecord } from "../mesh/ports/event_log.ts";
import { decodeExamples } from "./example_chunk.ts";
import type { TrainerPart } from "./snapshot_parts.ts";

/**
 * CRC-32C of the newest record before a position: that of the greatest lower offset, or the one at
 * the offset where `isBefore` says that the position lies behind its beginning. Undefined where the
 * log does not have the record: none is before, it was trimmed, or it is lost.
 *
 * @throws {LogUnavailableError | LogTailLostError} The log cannot be read.
 */
export async function lastRecordOf(
  log: Pick<EventLog, "read">,
  kernel: BatchKernel,
  { partition, offset }: Pick<TrainerPart, "partition" | "offset">,
  isBefore: (record: LogRecord) => boolean = () => false,
): Promise<number | undefined> {
  const around = await log.read(partition, Math.max(0, offset - 1), 2);
  const last = around.findLast((record) =>
    record.offset < offset || record.offset === offset && isBefore(record)
  );
  return last && kernel.crc32c(last.bytes);
}

/** {@link lastRecordOf} of a position in the example log, which may split a chunk. */
export async function lastChunkOf(
  log: Pick<EventLog, "read">,
  kernel: BatchKernel,
  position: Pick<TrainerPart, "partition" | "offset" | "sequence">,
): Promise<number | undefined> {
  const { sequence } = position;
  return await lastRecordOf(
    log,
    kernel,
    position,
    ({ bytes }) => decodeExamples(bytes).firstRow < sequence,
  );
}
