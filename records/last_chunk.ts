/**
 * The newest chunk that a position in the example log has rows of.
 *
 * After a fail-over that lost records, others may take their offsets: an offset then names another
 * chunk than it did. A snapshot therefore names the chunk too, by its checksum.
 */
import type { BatchKernel } from "../kernels/embedding/batch_kernel.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import { decodeExamples } from "./example_chunk.ts";
import type { TrainerPart } from "./snapshot_parts.ts";

/**
 * CRC-32C of the chunk before the position, or of the one at it where the position splits that one.
 * Undefined where the log does not have the chunk: none is before, it was trimmed, or it is lost.
 *
 * @throws {LogUnavailableError | LogTailLostError} The log cannot be read.
 */
export async function lastChunkOf(
  log: Pick<EventLog, "read">,
  kernel: BatchKernel,
  { partition, offset, sequence }: Pick<TrainerPart, "partition" | "offset" | "sequence">,
): Promise<number | undefined> {
  const around = await log.read(partition, Math.max(0, offset - 1), 2);
  const last = around.findLast((record) =>
    record.offset < offset ||
    record.offset === offset && decodeExamples(record.bytes).firstRow < sequence
  );
  return last && kernel.crc32c(last.bytes);
}
