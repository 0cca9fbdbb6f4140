/**
 * A partition of the example log as a joiner finds it: its newest chunk, and the position there.
 */
import type { AppendFence, EventLog } from "../../mesh/ports/event_log.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";

/** The position before anything was written, where nothing is carried over. */
export const BEGINNING: JoinerPosition = {
  eventOffset: 0,
  replayOffset: 0,
  replayClockMs: 0,
  rowsAfter: 0,
};

/** A partition that no earlier writer can append to any more. */
export interface ClaimedPartition {
  readonly partition: number;
  readonly fence: AppendFence;
  readonly last: ExampleChunk | undefined;
}

/** The point from which reading rebuilds everything open or retained at the position. */
export function beginOf(
  { retained, openFrom, replayOffset, replayClockMs }: JoinerPosition,
): NonNullable<JoinerPosition["retained"]> {
  const open = openFrom ?? { offset: replayOffset, clockMs: replayClockMs };
  return retained !== undefined && retained.offset < open.offset ? retained : open;
}

/**
 * Takes a partition from its earlier writer. With a tenure, no earlier writer can append any more,
 * so that the newest chunk stays the newest. One process that runs all parts goes on in the epoch
 * of the mesh that had the log before, if any.
 *
 * @throws {StaleWriterError} Another joiner has the partition under a later epoch.
 * @throws {Error} When the newest chunk was trimmed.
 */
export async function claimPartition(
  log: EventLog,
  partition: number,
  tenure: number | undefined,
): Promise<ClaimedPartition> {
  const epoch = tenure ?? await log.claimedEpoch(partition);
  const expectedOffset = epoch === 0
    ? await log.endOffset(partition)
    : await log.claim(partition, epoch);
  const last = await newestChunk(log, partition, expectedOffset);
  return { partition, fence: { epoch, expectedOffset }, last };
}

/**
 * The newest chunk of a partition that ends at `end`; undefined in an empty one.
 *
 * @throws {Error} When it was trimmed.
 */
export async function newestChunk(
  log: EventLog,
  partition: number,
  end: number,
): Promise<ExampleChunk | undefined> {
  if (end === 0) return undefined;
  const [record] = await log.read(partition, end - 1, 1);
  if (record === undefined) {
    throw new Error(
      `Cannot resume joining: partition ${partition} of the example log ends at offset ${end} and ` +
        `its last record was trimmed, so the joiner's position is lost. Never trim the last record.`,
    );
  }
  return decodeExamples(record.bytes);
}
