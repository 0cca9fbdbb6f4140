/**
 * The event log as erasures use it: their records, and the records that release it.
 */
import type { ErasurePass, ErasureRequest } from "../../records/erasure.ts";
import { decodeEvent, encodeEvent, type EventRecord } from "../../records/event_record.ts";
import { endOffsets, SealedPartitionError } from "../../mesh/ports/event_log.ts";
import { carryEvents } from "../memory/carried_events.ts";
import type { ErasureParts } from "./erasure_parts.ts";

export class ErasureLog {
  readonly #parts: ErasureParts;

  constructor(parts: ErasureParts) {
    this.#parts = parts;
  }

  /**
   * Appends the record of a pass to every partition that takes records; resolves with its offsets,
   * and those of the last records of sealed partitions.
   */
  forget(erasureId: string, pass: ErasurePass, user: string): Promise<number[]> {
    const { clock, memory } = this.#parts;
    const acceptedAtMs = memory.acceptanceClock.nextMs();
    return this.#append({
      kind: "forget",
      erasureId,
      pass,
      user,
      atMs: clock.nowMs(),
      acceptedAtMs,
    });
  }

  /** The user of an erasure, from its first record; undefined where that is trimmed. */
  async readUser({ erasureId, firstAt }: ErasureRequest): Promise<string | undefined> {
    const { eventLog } = this.#parts;
    // Partitions that were sealed before it do not have the record.
    for (const [partition, offset] of firstAt.entries()) {
      const [record] = await eventLog.read(partition, Math.max(0, offset), 1);
      if (record === undefined || record.offset !== offset) continue;
      const forget = decodeEvent(record.bytes);
      if (forget.kind === "forget" && forget.erasureId === erasureId) return forget.user;
    }
    return undefined;
  }

  /**
   * Lets all records so far be trimmed, and gives the next snapshot a new cut. Records that any
   * gateway appends meanwhile stay: those of an erasure may be unknown here.
   *
   * @param keptFrom Reads the offsets by partition from which records stay; called last.
   */
  async release(keptFrom: () => Promise<readonly (readonly number[])[]>): Promise<void> {
    const { eventLog, memory, clock } = this.#parts;
    const { firstPartition } = eventLog;
    for (let partition = firstPartition; partition < eventLog.partitions; partition++) {
      await eventLog.roll?.(partition);
    }
    const ends = await endOffsets(eventLog);
    // A log that appends once remembers the event ids itself.
    const carried = eventLog.appendOnce === undefined
      ? [await carryEvents(memory, this.#parts)]
      : [];
    const retainedFrom = lowest([ends, ...carried, ...await keptFrom()]);
    const acceptedAtMs = memory.acceptanceClock.nextMs();
    await this.#append({
      kind: "release",
      retainedFrom,
      atMs: clock.nowMs(),
      acceptedAtMs,
    });
  }

  async #append(record: EventRecord): Promise<number[]> {
    const { eventLog } = this.#parts;
    const bytes = encodeEvent(record);
    for (;;) {
      try {
        const offsets: number[] = [];
        for (let partition = 0; partition < eventLog.partitions; partition++) {
          const isSealed = partition < eventLog.firstPartition;
          offsets.push(
            isSealed
              ? await eventLog.endOffset(partition) - 1
              : await eventLog.append(partition, [bytes]),
          );
        }
        return offsets;
      } catch (error) {
        // The log knows the present partitions: all of them get the record.
        if (!(error instanceof SealedPartitionError)) throw error;
      }
    }
  }
}

/** By partition, the lowest of several offsets. */
function lowest(offsets: readonly (readonly number[])[]): number[] {
  return offsets[0].map((_, partition) => {
    // One that was written before the partition was added keeps nothing of it.
    return Math.min(...offsets.map((each) => each[partition] ?? Infinity));
  });
}
