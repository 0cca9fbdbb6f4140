/**
 * The batches in which appends are sent to a log in Redis: the appends that fit together, the
 * sending, and the error of a batch that the server refuses.
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
import type { LogKeys } from "./log_keys.ts";
import { type AppendReply, appendScript, extentOf } from "./log_scripts.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** A value that the server stores under a key of its own, in the step of an append. */
export interface AttachedValue {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Time until it expires, ms. */
  readonly retainedMs: number;
  /** End of another value that it replaces; where the server has one of another end, it refuses. */
  readonly replacesEnd: Uint8Array;
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

/** The server has another value under the key of an append, and has appended nothing. */
export class KeyTakenError extends Error {
  override readonly name = "KeyTakenError";
  constructor(readonly log: string, readonly key: string) {
    super(`Cannot append to ${log}: ${key} has another value.`);
  }
}

/** Appends that are sent in one script. */
export interface Batch {
  readonly sequence: number;
  /** Without those whose records were moved on. */
  appends: readonly Append[];
  /** Records of these appends. */
  count: number;
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

/** The parts of a log that a batch is sent with. */
export interface BatchTarget {
  readonly server: RedisServer;
  readonly keys: LogKeys;
  readonly partition: number;
  readonly bytesMax: number;
}

/**
 * Sends a batch once.
 *
 * @param runId The run that is to take it.
 * @param isAgain Whether an earlier run has taken it: then it replaces any values.
 * @throws {RedisUnavailableError} The server has not answered, or another run of it has begun.
 */
export async function sendBatch(
  batch: Batch,
  runId: string,
  { server, keys, partition, bytesMax }: BatchTarget,
  isAgain = false,
): Promise<AppendReply> {
  const { fence } = batch.appends[0];
  const attached = batch.appends.flatMap(({ attached }) => attached ?? []);
  const reply = await appendScript.run(
    server.commands,
    [server.runs.key, keys.log, keys.streamOf(partition), keys.writer, keys.urgent],
    [
      runId,
      partition,
      batch.sequence,
      bytesMax,
      fence?.epoch ?? 0,
      fence?.expectedOffset ?? "",
      batch.appends.some(({ until }) => until === "durable") ? "1" : "",
      attached.length,
      ...attached.flatMap(({ key, retainedMs, bytes, replacesEnd }) => [
        key,
        Math.ceil(retainedMs),
        bytes,
        isAgain ? "" : replacesEnd,
      ]),
      ...batch.appends.flatMap(({ records }) => records),
    ],
  );
  if (reply[0] === "RUN") {
    server.runs.leave();
    const cause = new Error("the server was restarted meanwhile");
    throw new RedisUnavailableError(server.url, true, cause);
  }
  if (reply[0] === "OK") {
    batch.firstOffset = Number(reply[1]);
    batch.runId = runId;
  }
  return reply;
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
    case "TAKEN":
      return new KeyTakenError(log, reply[1]);
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
