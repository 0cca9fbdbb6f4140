/**
 * A log on the simulated Redis server, by the rules of the scripts of the production log.
 */
import {
  ACCEPTANCE_STEP_MS,
  type AppendFence,
  checkFence,
  type LogExtent,
  LogFullError,
  type LogMark,
  type LogRecord,
  type MarkedPartition,
  type OnceRecord,
  partitionOf,
  SealedPartitionError,
  StaleWriterError,
} from "../../mesh/ports/event_log.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { Listeners } from "../../mesh/runtime/listeners.ts";
import { type AppendedId, AppendedIds } from "./appended_ids.ts";
import type { Journal } from "./journal.ts";

/** Observes the logs of a server. */
export interface LogStateObserver {
  appended(log: string, partition: number, records: readonly Uint8Array[], first: number): void;
  trimmed(log: string, partition: number, offset: number): void;
  /** A fail-over left this end. */
  tailLost(log: string, partition: number, endOffset: number): void;
  /** A fail-over left this begin. */
  trimLost(log: string, partition: number, firstOffset: number): void;
}

interface Partition {
  firstOffset: number;
  records: Uint8Array[];
  /** The newest record, also after it was trimmed. */
  last: Uint8Array | undefined;
  epoch: number;
  /** Newest acceptance time of {@link LogState.appendOnce}, ms. */
  acceptedAtMs: number;
  readonly listeners: Listeners<[isUrgent: boolean]>;
}

/**
 * A further change of the server, made in the step of an append. Returns the reason against both,
 * and changes nothing then.
 *
 * @param isAgain Whether an earlier run of the server has taken the append.
 */
export type AttachedChange = (isAgain: boolean) => Error | undefined;

/** The records of one append. */
export interface LogAppend {
  /** Whether readers are told at once: the append waits for the disk. */
  readonly isUrgent: boolean;
  readonly records: readonly Uint8Array[];
  readonly fence: AppendFence | undefined;
  readonly attached?: AttachedChange | undefined;
  /** Whether its process knows that the server has taken it before. */
  readonly isAgain: boolean;
}

/** The first offset of an append, or the reason against it. */
export type AppendResult = number | Error;

/** The surroundings of a log. */
export interface LogStateOptions {
  readonly name: string;
  readonly partitions: number;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly observer: LogStateObserver;
  /** Time for which ids of {@link LogState.appendOnce} are retained, ms. */
  readonly idsRetainedMs: number;
  /** Whether the server has no memory for further records. */
  readonly isFull: () => boolean;
}

export class LogState {
  readonly #name: string;
  readonly #partitions: Partition[];
  readonly #journal: Journal;
  readonly #observer: LogStateObserver;
  readonly #committed = new Map<string, number>();
  /** By `writer partition`, the newest batch and its results. */
  readonly #writers = new Map<string, { sequence: number; results: readonly AppendResult[] }>();
  readonly #ids: AppendedIds;
  readonly #isFull: () => boolean;
  #firstPartition = 0;
  /** Number of partitions that the log is known to have; others are left from a fail-over. */
  #count: number;
  #bytes = 0;

  constructor(options: LogStateOptions) {
    const { name, partitions, clock, journal, observer, idsRetainedMs, isFull } = options;
    this.#name = name;
    this.#journal = journal;
    this.#observer = observer;
    this.#ids = new AppendedIds(clock, journal, idsRetainedMs);
    this.#isFull = isFull;
    this.#partitions = Array.from({ length: partitions }, () => emptyPartition());
    this.#count = partitions;
  }

  get partitions(): number {
    return this.#count;
  }

  get firstPartition(): number {
    return this.#firstPartition;
  }

  /** Adds partitions, and seals those before the first; returns the extent, which never shrinks. */
  extend({ firstPartition, partitions }: LogExtent): LogExtent {
    const [first, count] = [this.#firstPartition, this.#count];
    const acceptedAtMs = Math.max(...this.#partitions.map((each) => each.acceptedAtMs));
    while (this.#partitions.length < partitions) {
      this.#partitions.push(emptyPartition(acceptedAtMs));
    }
    this.#firstPartition = Math.max(first, firstPartition);
    this.#count = Math.max(count, partitions);
    // An extension that a fail-over has lost, and that is made again, finds partitions from before.
    for (const each of this.#partitions.slice(count, this.#count)) each.acceptedAtMs = acceptedAtMs;
    this.#journal.add(() => [this.#firstPartition, this.#count] = [first, count]);
    for (const { listeners } of this.#partitions) listeners.tell(true);
    return { firstPartition: this.#firstPartition, partitions: this.#count };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends a batch of a writer, once however often it is sent. Returns no results for one before
   * the newest.
   *
   * @param sequence Number of the batch, ascending for each writer and partition.
   */
  append(
    partition: number,
    writer: string,
    sequence: number,
    appends: readonly LogAppend[],
    bytesMax: number,
  ): readonly AppendResult[] {
    const key = `${writer} ${partition}`;
    const before = this.#writers.get(key);
    if (before !== undefined && before.sequence === sequence) return before.results;
    if (before !== undefined && before.sequence > sequence) return []; // it was appended before
    const results = appends.map((append) => this.#appendOne(partition, append, bytesMax));
    if (results.every((result) => typeof result !== "number")) return results;
    this.#writers.set(key, { sequence, results });
    this.#journal.add(() => {
      if (before === undefined) this.#writers.delete(key);
      else this.#writers.set(key, before);
    });
    return results;
  }

  #appendOne(
    partition: number,
    { records, fence, isUrgent, attached, isAgain }: LogAppend,
    bytesMax: number,
  ): AppendResult {
    const target = partitionOf(this.#partitions, partition);
    const sealed = this.#sealOf(partition);
    if (sealed !== undefined) return sealed;
    const endOffset = endOf(target);
    const refused = checkFence(
      { log: this.#name, partition, epoch: target.epoch, endOffset },
      fence,
    );
    if (refused !== undefined) return refused;
    const full = this.#full(records, bytesMax);
    if (full !== undefined) return full;
    const taken = attached?.(isAgain);
    if (taken !== undefined) return taken;
    this.#add(partition, records, isUrgent);
    return endOffset;
  }

  /** The refusal of records for which there is no room. */
  #full(records: readonly Uint8Array[], bytesMax: number): LogFullError | undefined {
    const isRoom = !this.#isFull() && this.#bytes + sizeOf(records) <= bytesMax;
    return isRoom ? undefined : LogFullError.atLimit(this.#name, this.#bytes, bytesMax);
  }

  /**
   * Appends the records whose ids are new or forgotten, those that end with a time at one above all
   * before. Returns the record under the id of each.
   */
  appendOnce(
    partition: number,
    records: readonly (OnceRecord & { readonly token: string })[],
    bytesMax: number,
  ): readonly AppendedId[] | Error {
    const target = partitionOf(this.#partitions, partition);
    const refused = this.#refusesOnce(partition);
    if (refused !== undefined) return refused;
    const full = this.#full(records.flatMap(recordsOf), bytesMax);
    if (full !== undefined) return full;
    const added: Uint8Array[] = [];
    const kept = records.map((record) => {
      const { id, content, acceptedAtMs, token, bytes, endsWithTime } = record;
      const found = this.#ids.find(id);
      if (found !== undefined) return found;
      const atMs = endsWithTime ? this.#nextTime(target, acceptedAtMs) : acceptedAtMs;
      const entry = { content, acceptedAtMs: atMs, token };
      this.#ids.add(id, entry);
      const stamped = endsWithTime ? endingWith(bytes, atMs) : bytes;
      added.push(...recordsOf({ ...record, bytes: stamped }));
      return entry;
    });
    this.#add(partition, added, true);
    return kept;
  }

  /**
   * Appends a record to the partitions that have none after their times. Returns the newest
   * acceptance time of each, ms.
   */
  mark(
    partitions: readonly MarkedPartition[],
    { bytes, acceptedAtMs }: LogMark,
    bytesMax: number,
  ): readonly number[] | Error {
    for (const { partition } of partitions) {
      const refused = this.#refusesOnce(partition);
      if (refused !== undefined) return refused;
    }
    const due = partitions.filter(({ partition, unlessAfterMs }) =>
      partitionOf(this.#partitions, partition).acceptedAtMs <= unlessAfterMs
    );
    const full = this.#full(due.map(() => bytes), bytesMax);
    if (full !== undefined) return full;
    for (const { partition } of due) {
      const target = partitionOf(this.#partitions, partition);
      this.#add(partition, [endingWith(bytes, this.#nextTime(target, acceptedAtMs))], true);
    }
    return partitions.map(({ partition }) => partitionOf(this.#partitions, partition).acceptedAtMs);
  }

  /** The refusal of appends whose acceptance times the log gives. */
  #refusesOnce(partition: number): SealedPartitionError | StaleWriterError | undefined {
    const { epoch } = partitionOf(this.#partitions, partition);
    return this.#sealOf(partition) ??
      (epoch === 0 ? undefined : new StaleWriterError(this.#name, partition, undefined, epoch));
  }

  /** The acceptance time of the next record, above that of all before, ms. */
  #nextTime(target: Partition, acceptedAtMs: number): number {
    const { acceptedAtMs: newestMs } = target;
    this.#journal.add(() => target.acceptedAtMs = newestMs);
    return target.acceptedAtMs = acceptedAtMs > newestMs
      ? acceptedAtMs
      : newestMs + ACCEPTANCE_STEP_MS;
  }

  /** @throws {StaleWriterError} A later epoch has claimed the partition. */
  claim(partition: number, epoch: number): number {
    const target = partitionOf(this.#partitions, partition);
    const before = target.epoch;
    if (epoch < before) throw new StaleWriterError(this.#name, partition, epoch, before);
    target.epoch = epoch;
    this.#journal.add(() => target.epoch = before);
    return endOf(target);
  }

  claimedEpoch(partition: number): number {
    return partitionOf(this.#partitions, partition).epoch;
  }

  read(partition: number, fromOffset: number, recordsMax: number): LogRecord[] {
    const { firstOffset, records } = partitionOf(this.#partitions, partition);
    const from = Math.max(fromOffset, firstOffset);
    return records.slice(from - firstOffset, from - firstOffset + recordsMax).map((bytes, i) => ({
      offset: from + i,
      bytes: bytes.slice(),
    }));
  }

  endOffset(partition: number): number {
    return endOf(partitionOf(this.#partitions, partition));
  }

  /** Place and content of each record. */
  *contents(): Iterable<readonly [string, Uint8Array]> {
    for (const [partition, { firstOffset, records }] of this.#partitions.entries()) {
      for (const [i, record] of records.entries()) {
        yield [`${this.#name}/${partition} at offset ${firstOffset + i}`, record];
      }
    }
  }

  /** The newest record; undefined before the first. */
  newest(partition: number): Uint8Array | undefined {
    return partitionOf(this.#partitions, partition).last;
  }

  commit(consumer: string, partition: number, offset: number): void {
    const key = `${partition} ${consumer}`;
    const before = this.#committed.get(key) ?? 0;
    this.#committed.set(key, offset);
    this.#journal.add(() => this.#committed.set(key, before));
  }

  committed(consumer: string, partition: number): number {
    return this.#committed.get(`${partition} ${consumer}`) ?? 0;
  }

  /** Offsets of all consumers of a partition. */
  allCommitted(partition: number): number[] {
    return [...this.#committed].filter(([key]) => key.startsWith(`${partition} `))
      .map(([, offset]) => offset);
  }

  trim(partition: number, offset: number): void {
    const target = partitionOf(this.#partitions, partition);
    const count = Math.min(Math.max(0, offset - target.firstOffset), target.records.length);
    if (count === 0) return;
    const gone = target.records.splice(0, count);
    target.firstOffset += count;
    this.#bytes -= sizeOf(gone);
    this.#observer.trimmed(this.#name, partition, target.firstOffset);
    this.#journal.add(() => {
      target.records.unshift(...gone);
      target.firstOffset -= count;
      this.#bytes += sizeOf(gone);
      this.#observer.trimLost(this.#name, partition, target.firstOffset);
    });
  }

  /** @returns Removes the listener. */
  onAppended(partition: number, listener: (isUrgent: boolean) => void): () => void {
    return partitionOf(this.#partitions, partition).listeners.add(listener);
  }

  /** Tells every listener that there may be records. */
  tellAll(): void {
    for (const { listeners } of this.#partitions) listeners.tell(true);
  }

  endsInto(ends: Map<string, number>): void {
    this.#partitions.forEach((partition, i) => ends.set(`${this.#name}/${i}`, endOf(partition)));
  }

  #sealOf(partition: number): SealedPartitionError | undefined {
    if (partition >= this.#firstPartition) return undefined;
    const { firstPartition, partitions } = this;
    return new SealedPartitionError(this.#name, partition, { firstPartition, partitions });
  }

  #add(partition: number, records: readonly Uint8Array[], isUrgent: boolean): void {
    if (records.length === 0) return;
    const target = partitionOf(this.#partitions, partition);
    const first = endOf(target);
    const { last } = target;
    for (const record of records) target.records.push(record.slice());
    target.last = target.records.at(-1);
    this.#bytes += sizeOf(records);
    this.#journal.add(() => {
      const gone = target.records.splice(first - target.firstOffset);
      target.last = last;
      this.#bytes -= sizeOf(gone);
      this.#observer.tailLost(this.#name, partition, first);
    });
    this.#observer.appended(this.#name, partition, records, first);
    target.listeners.tell(isUrgent);
  }
}

function emptyPartition(acceptedAtMs = -1): Partition {
  return {
    firstOffset: 0,
    records: [],
    last: undefined,
    epoch: 0,
    acceptedAtMs,
    listeners: new Listeners<[isUrgent: boolean]>(),
  };
}

/** A record and the one before it. */
function recordsOf({ before, bytes }: OnceRecord): Uint8Array[] {
  return before === undefined ? [bytes] : [before, bytes];
}

/** A copy of a record that ends with its acceptance time. */
function endingWith(record: Uint8Array, acceptedAtMs: number): Uint8Array {
  const bytes = record.slice();
  new DataView(bytes.buffer).setFloat64(bytes.byteLength - 8, acceptedAtMs);
  return bytes;
}

function endOf({ firstOffset, records }: Partition): number {
  return firstOffset + records.length;
}

function sizeOf(records: readonly Uint8Array[]): number {
  return records.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
