/**
 * Append-only, partitioned logs: the event log (impressions and actions) and the example log.
 *
 * A record is opaque bytes with an offset, dense and ascending from 0 in its partition. Readers see durable records
 * only, and one that stores the offset after the last record that it handled resumes without loss.
 */
export interface LogRecord {
  /** Position in the partition, from 0, without gaps. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * What an append waits for. `written`: the end of this process loses nothing, a power failure may lose the last
 * moments. `durable`: neither does. Records become durable in order, so a durable one covers all before it.
 */
export type AppendUntil = "written" | "durable";

/** One log of some partitions. */
export interface EventLog {
  readonly partitions: number;
  /**
   * Appends in order; resolves with the offset of the first record.
   *
   * @param until What to wait for; default `durable` (adapters commit groups). All become durable soon in any case.
   * @throws {LogFullError} When the log has reached its `bytesMax`; nothing was appended.
   * @throws {LogUnavailableError} When it cannot be written; the next append tries again.
   */
  append(partition: number, records: readonly Uint8Array[], until?: AppendUntil): Promise<number>;
  /** Up to `recordsMax` records from `fromOffset` (inclusive); empty when there are none yet. */
  read(partition: number, fromOffset: number, recordsMax: number): Promise<LogRecord[]>;
  /** The offset that the next record will get. */
  endOffset(partition: number): Promise<number>;
  /** Calls `listener` after records became readable in `partition` (coalesced; may be spurious). Returns unsubscribe. */
  onAppended(partition: number, listener: () => void): () => void;
  /** Remembers, durably, that `consumer` has handled all records before `offset`. */
  commitOffset(consumer: string, partition: number, offset: number): Promise<void>;
  /** The committed offset, 0 for a new consumer. */
  committedOffset(consumer: string, partition: number): Promise<number>;
  /** Forgets records before `offset`; reads below it then begin at `offset`. */
  trim(partition: number, offset: number): Promise<void>;
  /** How full the log is. */
  usage(): LogUsage;
  /**
   * Why the last append was refused, until one is taken or there is room again: whoever asks readiness need not
   * append to find out.
   */
  refusal(): Error | undefined;
  /** Makes what was appended durable and lets go of the files. */
  close(): Promise<void>;
}

/** Bytes that a log holds, over all partitions, and may hold. */
export interface LogUsage {
  readonly bytes: number;
  readonly bytesMax: number;
}

/**
 * What a log keeps for one of its partitions.
 *
 * @throws {RangeError} When there is no such partition.
 */
export function partitionOf<P>(partitions: readonly P[], partition: number): P {
  const found = partitions[partition];
  if (found === undefined) {
    throw new RangeError(`The log has partitions 0 to ${partitions.length - 1}, not ${partition}`);
  }
  return found;
}

/** The log holds as many bytes as its configuration allows. */
export class LogFullError extends Error {
  override readonly name = "LogFullError";
  constructor(readonly log: string, readonly bytes: number, readonly bytesMax: number) {
    super(
      `The log "${log}" holds ${bytes} bytes and its limit is ${bytesMax}; raise storage.logBytesMax or let its consumers catch up.`,
    );
  }
}

/** The log cannot be written now: the disk is full or failed. */
export class LogUnavailableError extends Error {
  override readonly name = "LogUnavailableError";
  constructor(readonly log: string, readonly remedy: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot append to ${log}: ${reason}. ${remedy}`, { cause });
  }
}

/** Whether an append was refused for a reason that passes: the same append may succeed later. */
export function isRefusal(error: unknown): error is LogFullError | LogUnavailableError {
  return error instanceof LogFullError || error instanceof LogUnavailableError;
}
