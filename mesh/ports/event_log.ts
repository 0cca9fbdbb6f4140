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

/**
 * The right of the one writer of a partition, checked where the records are stored. A writer that
 * was paused while another one took over is refused, whatever its clock says.
 */
export interface AppendFence {
  /** The epoch that {@link EventLog.claim} was called with; 0 where the partition has no claim. */
  readonly epoch: number;
  /** The offset that the first record must get. */
  readonly expectedOffset: number;
}

/**
 * A follower is told of appends by {@link EventLog.onAppended}: an answer may lack the newest
 * records, of which it is told then. Other readers get all records that were appended before the
 * read.
 */
export type LogReader = "follower";

/** Marks a listener that is to be told soon of `written` records too; others may wait longer. */
export type ListenerHaste = "soon";

/** A record that is appended once, whichever process sends it and however often. */
export interface OnceRecord {
  /** Absent = the record is new whenever it is sent, and is not remembered. */
  readonly id?: string;
  /** A record that is appended just before it, where it is new. */
  readonly before?: Uint8Array | undefined;
  readonly bytes: Uint8Array;
  /** Two records of one id are the same if their contents are. */
  readonly content: string;
  /** Wall time at which it was accepted, ms. */
  readonly acceptedAtMs: number;
  /**
   * Whether `bytes` end with the acceptance time as a big-endian float64. The log raises it where
   * it has a later one, and writes the time that it gives. Marks and such records alone are
   * ordered: another one brings its partition to no acceptance time.
   */
  readonly endsWithTime: boolean;
}

/** The outcome of {@link EventLog.appendOnce} for one record. */
export type OnceOutcome =
  | { readonly kind: "appended"; readonly acceptedAtMs: number }
  /** A record was appended under the id before. */
  | { readonly kind: "earlier"; readonly isSame: boolean; readonly acceptedAtMs: number };

/** A record that {@link EventLog.mark} appends to partitions. */
export interface LogMark {
  /** End with the acceptance time as a big-endian float64, where the log writes that of each. */
  readonly bytes: Uint8Array;
  /** Wall time at which it was made, ms. The log raises it where it has later records. */
  readonly acceptedAtMs: number;
}

/** A partition that is to be marked, unless it has a record that was accepted after this time. */
export interface MarkedPartition {
  readonly partition: number;
  readonly unlessAfterMs: number;
}

/**
 * Least distance of two acceptance times of {@link EventLog.appendOnce}, ms. Exactly representable
 * in addition to today's epoch milliseconds (41 of 53 bits).
 */
export const ACCEPTANCE_STEP_MS = 1 / 1024;

/** The partitions of a log that takes records of another partitioning. */
export interface LogExtent {
  /** Partitions before it are sealed: they take no record any more. */
  readonly firstPartition: number;
  /** Number of all partitions, sealed ones included. */
  readonly partitions: number;
}

/** A log of one or more partitions. */
export interface EventLog {
  /** Number of all partitions, sealed ones included. Grows by {@link extend}. */
  readonly partitions: number;
  /** The first partition that takes records: those before it are sealed. */
  readonly firstPartition: number;
  /**
   * Longest time from the call of an append until its records are in the log, ms; later ones are
   * given up. Absent where one process alone appends: there they are in before those of a later
   * call.
   */
  readonly appendMaxMs?: number;
  /**
   * Adds partitions and seals those before `firstPartition`, in one durable step over all of them:
   * no record comes to a sealed partition after one has come to a new one. Acceptance times of
   * {@link appendOnce} go on above those of the sealed partitions. Neither number goes back; the
   * same extent again changes nothing. Absent where the log keeps its partitions.
   */
  extend?(extent: LogExtent): Promise<void>;
  /**
   * Appends in order; resolves with the offset of the first record.
   *
   * @param records The caller may write to their memory once the append has resolved. After a
   * failure it may not: the log may still send them.
   * @param until State to wait for, default `durable`. Written records become durable soon after in
   * any case.
   * @param fence Needed as soon as the partition has been claimed.
   * @throws {LogFullError} When the log has reached its `bytesMax`; nothing was appended.
   * @throws {LogUnavailableError} When the log cannot be written; the next append tries again.
   * @throws {LateAppendError} When a `written` append takes long; it may be made later.
   * @throws {StaleWriterError} When another writer has claimed the partition; nothing was appended.
   * @throws {LogOffsetError} When the partition ends elsewhere; nothing was appended.
   * @throws {SealedPartitionError} When the partition is sealed; nothing was appended.
   */
  append(
    partition: number,
    records: readonly Uint8Array[],
    until?: AppendUntil,
    fence?: AppendFence,
  ): Promise<number>;
  /**
   * Appends durably those records whose id was not appended before, by any process, and tells of
   * each other one the record that was appended under its id. Ids are known for as long as the log
   * is told to keep them. Absent where one process alone appends, which remembers the ids itself.
   *
   * Acceptance times ascend in a partition over all processes, so that a reader knows that no
   * earlier one comes later: a new record whose time is not above all before it gets the next time,
   * {@link ACCEPTANCE_STEP_MS} later.
   *
   * @throws As {@link append}; which records were appended is then unknown, and sending them again
   * appends none twice.
   */
  appendOnce?(
    partition: number,
    records: readonly OnceRecord[],
  ): Promise<OnceOutcome[]>;
  /**
   * Appends a record durably to those of the partitions that have none of any process after their
   * times, all in one step, and resolves with the newest acceptance time of each partition, ms.
   * Present with {@link appendOnce}, among whose acceptance times the record's is the next one.
   *
   * @throws As {@link append}. Where one partition refuses, nothing was appended to any.
   */
  mark?(partitions: readonly MarkedPartition[], mark: LogMark): Promise<number[]>;
  /**
   * Makes `epoch` the only one whose appends the partition takes, durably, and resolves with the
   * end of the partition, which no earlier writer can move any more. The same epoch again changes
   * nothing.
   *
   * @param epoch From 1; minted by the store of placements, see `coordination.ts`.
   * @throws {StaleWriterError} A later epoch has claimed the partition.
   */
  claim(partition: number, epoch: number): Promise<number>;
  /** Epoch of the newest claim of the partition; 0 where there is none. */
  claimedEpoch(partition: number): Promise<number>;
  /** Up to `recordsMax` records from `fromOffset` (inclusive); empty when there are none yet. */
  read(
    partition: number,
    fromOffset: number,
    recordsMax: number,
    reader?: LogReader,
  ): Promise<LogRecord[]>;
  /** The offset that the next record will get. */
  endOffset(partition: number): Promise<number>;
  /**
   * The end of a partition that has listeners, as this process knows it without asking. Undefined
   * where the log is on a server that does not answer now, or has not been asked yet.
   */
  knownEnd(partition: number): number | undefined;
  /**
   * Calls `listener` after records became readable in `partition`; once for several appends, and
   * sometimes without need. Of records that were appended as `written` it may be told some time
   * later, or with the next ones that are durable.
   *
   * @returns Removes the listener.
   */
  onAppended(partition: number, listener: () => void, haste?: ListenerHaste): () => void;
  /** Stores, durably, that `consumer` has handled all records before `offset`. */
  commitOffset(consumer: string, partition: number, offset: number): Promise<void>;
  /** The committed offset, 0 for a new consumer. */
  committedOffset(consumer: string, partition: number): Promise<number>;
  /**
   * Deletes the records before `offset`. A read below it then begins at the oldest record that is
   * left.
   */
  trim(partition: number, offset: number): Promise<void>;
  /**
   * Separates the records so far from later ones, so that a trim can remove them without these.
   * Absent where a trim removes any records. On a log of files it has no effect where this thread
   * does not write.
   */
  roll?(partition: number): Promise<void>;
  /**
   * Offset of the oldest record whose bytes are stored, also where reads begin later. Absent where
   * a trim removes bytes at once.
   */
  storedFrom?(partition: number): Promise<number>;
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

/** The end of a partition and the epoch of the writer that claimed it, 0 before the first. */
export interface ClaimedEnd {
  /** The log in words, for an error. */
  readonly log: string;
  readonly partition: number;
  readonly epoch: number;
  readonly endOffset: number;
}

/** The error that refuses an append; undefined where its fence holds. */
export function checkFence(
  { log, partition, epoch, endOffset }: ClaimedEnd,
  fence: AppendFence | undefined,
): StaleWriterError | LogOffsetError | undefined {
  if ((fence?.epoch ?? 0) !== epoch) {
    return new StaleWriterError(log, partition, fence?.epoch, epoch);
  }
  if (fence === undefined || fence.expectedOffset === endOffset) return undefined;
  return new LogOffsetError(log, partition, fence.expectedOffset, endOffset);
}

/** The log has reached the size that its configuration or its server allows. */
export class LogFullError extends Error {
  override readonly name = "LogFullError";

  /**
   * @param reason End of a sentence that begins with the log: what is full, and the remedy.
   * @param isOfServer Whether the memory of the log's server is full, and not the log.
   */
  constructor(readonly log: string, reason: string, readonly isOfServer = false) {
    super(`The log "${log}" ${reason}.`);
  }

  /** The error of a log that has reached its `bytesMax`. */
  static atLimit(log: string, bytes: number, bytesMax: number): LogFullError {
    return new LogFullError(
      log,
      `holds ${bytes} bytes and its limit is ${bytesMax}; raise storage.logBytesMax or let its ` +
        "consumers catch up",
    );
  }
}

/** The log cannot be written now: the disk is full or failed, or its server is away. */
export class LogUnavailableError extends Error {
  override readonly name: string = "LogUnavailableError";
  /**
   * @param isAway Whether the log is on a server that does not answer, so that whether the records
   * were written is unknown. A full or broken disk of this machine has written nothing.
   */
  constructor(
    readonly log: string,
    readonly remedy: string,
    cause: unknown,
    readonly isAway = false,
  ) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot append to ${log}: ${reason.replace(/\.$/, "")}. ${remedy}`, { cause });
  }
}

/**
 * An append of `written` records takes longer than its caller should wait. The log goes on with it,
 * for some seconds where its server does not answer.
 */
export class LateAppendError extends LogUnavailableError {
  override readonly name = "LateAppendError";
  /** @param outcome As the append would have been answered with more time. */
  constructor(log: string, cause: unknown, readonly outcome: Promise<number>) {
    super(log, "The records are written when Redis answers within some seconds.", cause, true);
  }
}

/** Another writer has claimed the partition. */
export class StaleWriterError extends Error {
  override readonly name = "StaleWriterError";
  /** @param epoch The refused writer's epoch; undefined for an append without a fence. */
  constructor(
    readonly log: string,
    readonly partition: number,
    readonly epoch: number | undefined,
    readonly present: number,
  ) {
    super(
      `Partition ${partition} of ${log} belongs to the writer of epoch ${present}, and the append came ${
        epoch === undefined ? "without an epoch" : `in epoch ${epoch}`
      }; its writer must stop.`,
    );
  }
}

/**
 * The partition is sealed: its records belong to a partition of the present partitioning, which
 * the log knows by now.
 */
export class SealedPartitionError extends Error {
  override readonly name = "SealedPartitionError";
  constructor(readonly log: string, readonly partition: number, readonly extent: LogExtent) {
    super(
      `Partition ${partition} of ${log} is sealed: records go to the partitions ` +
        `${extent.firstPartition} to ${extent.partitions - 1}.`,
    );
  }
}

/** The only writer of a partition expected another end: records were lost, or added by another. */
export class LogOffsetError extends Error {
  override readonly name = "LogOffsetError";
  constructor(
    readonly log: string,
    readonly partition: number,
    readonly expected: number,
    readonly found: number,
  ) {
    super(
      `Partition ${partition} of ${log} ends at offset ${found}, and its writer expected ${expected}; it must read the log again before it writes.`,
    );
  }
}

/** Acknowledged records at the end of a log are gone. */
export class LogTailLostError extends Error {
  override readonly name = "LogTailLostError";
  constructor(
    readonly log: string,
    readonly partition: number,
    readonly known: number,
    readonly found: number,
  ) {
    super(
      `Partition ${partition} of ${log} ends at offset ${found}, and ${known} records were acknowledged: a failover or a restore from an old copy has lost ${
        known - found
      }. Nothing is written until the newer data is restored, or the loss is accepted: in a mesh by cairn recover --accept-loss and a restart of the hosts that say so, otherwise by a restart of this process.`,
    );
  }
}

/**
 * Whether the log is on a server that does not answer, has no memory left, or has lost records.
 * Rankings go on without such a log and are not learned from. A log that has reached its own limit,
 * or whose disk is broken, stops them.
 */
export function isOfServer(error: unknown): boolean {
  return error instanceof LogUnavailableError && error.isAway ||
    error instanceof LogFullError && error.isOfServer ||
    error instanceof LogTailLostError;
}

/**
 * Whether an append was refused for a reason that may pass, so that the same append may succeed
 * later.
 */
export function isRefusal(error: unknown): error is LogFullError | LogUnavailableError {
  return error instanceof LogFullError || error instanceof LogUnavailableError;
}

/** The ends of a log's partitions. */
export function endOffsets(
  log: Pick<EventLog, "partitions" | "endOffset">,
): Promise<number[]> {
  return Promise.all(Array.from({ length: log.partitions }, (_, i) => log.endOffset(i)));
}
