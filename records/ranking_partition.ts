/**
 * The partition of the event log that has a ranking's records, in the present partitioning.
 */
import { type LogExtent, SealedPartitionError } from "../mesh/ports/event_log.ts";
import { decodeEvent, eventPartition } from "./event_record.ts";

/** Partitionings that one append may meet: each needs a snapshot, which takes longer. */
const ATTEMPTS_MAX = 8;

/** The partition of a ranking among those that take records. */
export function presentPartition(
  rankingId: string,
  { firstPartition, partitions }: LogExtent,
): number {
  return firstPartition + eventPartition(rankingId, partitions - firstPartition);
}

/**
 * The partition, among those that take records, to which a record of a sealed one belongs;
 * undefined where it counts in its own alone.
 */
export function laterPartition(record: Uint8Array, log: LogExtent): number | undefined {
  const event = decodeEvent(record);
  return event.kind === "impression" ? presentPartition(event.rankingId, log) : undefined;
}

/**
 * Appends to the partition of a ranking, and again where the partition was sealed: the log then
 * knows the present ones. A refused append has appended nothing.
 *
 * @param append Appends to the partition that it is called with.
 */
export async function appendToRanking<R>(
  log: LogExtent,
  rankingId: string,
  append: (partition: number) => Promise<R>,
): Promise<R> {
  for (let attempts = 1;; attempts++) {
    try {
      return await append(presentPartition(rankingId, log));
    } catch (error) {
      if (!(error instanceof SealedPartitionError) || attempts === ATTEMPTS_MAX) throw error;
    }
  }
}
