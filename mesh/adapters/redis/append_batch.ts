/**
 * The batches in which appends are sent to a log in Redis: the appends that fit together, and the
 * error of a batch that the server refuses.
 */
import {
  type AppendFence,
  type AppendUntil,
  LogFullError,
  LogOffsetError,
  SealedPartitionError,
  StaleWriterError,
} from "../../ports/event_log.ts";
import type { LateWait } from "./late_waits.ts";
import { type AppendReply, extentOf } from "./log_scripts.ts";

/** A value that the server stores under a key of its own, in the step of an append. */
export interface AttachedValue {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Time until it expires, ms. */
  readonly retainedMs: number;
}

/** Records that one caller appends, until the caller is answered. */
export interface Append {
  /** The log has copied them: they may be sent after their caller was answered. */
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly until: AppendUntil;
  readonly fence: AppendFence | undefined;
  readonly attached: AttachedValue | undefined;
  /** End of its time on the monotonic clock, ms. */
  readonly untilMs: number;
  isSettled: boolean;
  /** The wait of an append that need not be durable. */
  wait: LateWait | undefined;
  resolve(firstOffset: number): void;
  reject(error: unknown): void;
}

/** Appends that are sent in one script. */
export interface Batch {
  readonly sequence: number;
  readonly appends: readonly Append[];
  readonly count: number;
  readonly bytes: number;
  firstOffset: number;
  /** Run of the server that answered last. */
  runId: string;
}

/** Bounds of a batch: records, and their bytes. */
const [RECORDS_MAX, BYTES_MAX] = [1_000, 4 * 2 ** 20];
/** Number of the first appends, at least one, that fit together into a batch. */
export function fittingCount(waiting: readonly Append[]): number {
  let records = 0;
  let bytes = 0;
  let count = 0;
  for (const append of waiting) {
    const isFull = records + append.records.length > RECORDS_MAX ||
      bytes + append.bytes > BYTES_MAX;
    if (count > 0 && (isFull || !continues(waiting[count - 1], append))) break;
    count++;
    records += append.records.length;
    bytes += append.bytes;
  }
  return count;
}

/** The error of appends that the server has refused. */
export function refusalOf(
  reply: AppendReply,
  fence: AppendFence | undefined,
  { log, partition, bytesMax }: {
    readonly log: string;
    readonly partition: number;
    readonly bytesMax: number;
  },
): Error {
  const present = Number(reply[1]);
  switch (reply[0]) {
    case "FULL":
      return LogFullError.atLimit(log, present, bytesMax);
    case "STALE":
      return new StaleWriterError(log, partition, fence?.epoch, present);
    case "SEALED":
      return new SealedPartitionError(log, partition, extentOf(reply));
    case "OFFSET":
      return new LogOffsetError(log, partition, fence?.expectedOffset ?? 0, present);
    default:
      // OK is no refusal; EARLIER and RUN are answered to batches that are sent again.
      return new Error(`the server answered ${reply[0]}`);
  }
}

/** Whether `next` may follow `before` in one batch: both unfenced, or of one writer in order. */
function continues(before: Append, next: Append): boolean {
  if (before.fence === undefined || next.fence === undefined) return before.fence === next.fence;
  return before.fence.epoch === next.fence.epoch &&
    before.fence.expectedOffset + before.records.length === next.fence.expectedOffset;
}
