/**
 * Append-only, partitioned logs: the event log (impressions and actions) and the example log.
 *
 * A record is opaque bytes with an offset. Offsets of a partition begin at 0 and have no gaps.
 * Readers see durable records only: a reader that stores the offset after its last record resumes
 * there without loss.
 */

/** A record as it is read. */
export interface LogRecord {
  /** Number of the record in its partition, from 0, without gaps. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * The state of its records that an append waits for. A `written` record survives the end of the
 * process; a `durable` record survives a power failure too. Records become durable in order: with a
 * record, all before it are durable.
 */
export type AppendUntil = "written" | "durable";

/** A log of one or more partitions. */
export interface EventLog {
  readonly partitions: number;
  /**
   * Appends in order; resolves with the offset of the first record.
   *
   * @param until State to wait for, default `durable`. Written records become durable soon after in
   * any case.
   * @throws {LogFullError} When the log has reached its `bytesMax`; nothing was appended.
   * @throws {LogUnavailableError} When the log cannot be written; the next append tries again.
   */
  append(partition: number, records: readonly Uint8Array[], until?: AppendUntil): Promise<number>;
  /** Up to `recordsMax` records from `fromOffset` (inclusive); empty when there are none yet. */
  read(partition: number, fromOffset: number, recordsMax: number): Promise<LogRecord[]>;
  /** The offset that the next record will get. */
  endOffset(partition: number): Promise<number>;
  /**
   * Calls `listener` after records became readable in `partition`; once for several appends, and
   * sometimes without need.
   *
   * @returns Removes the listener.
   */
  onAppended(partition: number, listener: () => void): () => void;
  /** Stores, durably, that `consumer` has handled all records before `offset`. */
  commitOffset(consumer: string, partition: number, offset: number): Promise<void>;
  /** The committed offset, 0 for a new consumer. */
  committedOffset(consumer: string, partition: number): Promise<number>;
  /**
   * Deletes the records before `offset`. A read below it then begins at the oldest record that is
   * left.
   */
  trim(partition: number, offset: number): Promise<void>;
  /** The log's size and its limit. */
  usage(): LogUsage;
  /**
   * Why the last append was refused; undefined as soon as the next one would succeed. A readiness
   * probe reads it.
   */
  refusal(): Error | undefined;
  /** Makes all records durable and closes the files. */
  close(): Promise<void>;
}

/** Bytes of a log over all partitions. */
export interface LogUsage {
  readonly bytes: number;
  readonly bytesMax: number;
}

/**
 * The entry of a partition in a list of all partitions of a log.
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

/** The log has reached the size that its configuration allows. */
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

/**
 * Whether an append was refused for a reason that may pass, so that the same append may succeed
 * later.
 */
export function isRefusal(error: unknown): error is LogFullError | LogUnavailableError {
  return error instanceof LogFullError || error instanceof LogUnavailableError;
}
