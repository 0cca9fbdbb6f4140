/**
 * The first records of erasures in the event log, by user.
 *
 * A user may be erased again before an earlier erasure is through. Then the erasure whose first
 * record is the last in the log makes the second pass for all of them. A second record of another
 * erasure could follow the records of the last one, and keep the user's id in the log when the last
 * one is complete. The log decides, so it does not matter which gateways took the erasures.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ErasureRequest } from "../../records/erasure.ts";
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";

/** Records that are read at once. */
const READ_RECORDS = 256;

interface FirstRecord {
  readonly erasureId: string;
  readonly offset: number;
}

/** Reads the log onwards, each record once. */
export class FirstRecords {
  readonly #log: EventLog;
  readonly #byUser = new Map<string, FirstRecord[]>();
  /** The partition that is read: each that takes records has the records of all erasures. */
  #partition = 0;
  /** Offset of the oldest record that was read. */
  #from = Infinity;
  #next = 0;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * Offset of an erasure's first record in the partition that is read; -1 where the partition was
   * added since.
   */
  offsetOf({ firstAt }: Pick<ErasureRequest, "firstAt">): number {
    return firstAt[this.#log.firstPartition] ?? -1;
  }

  /** Reads on to the end of the log, and from `offset` at the latest. */
  async readFrom(offset: number): Promise<void> {
    if (offset < this.#from || this.#partition !== this.#log.firstPartition) {
      this.#partition = this.#log.firstPartition;
      this.#byUser.clear();
      this.#from = this.#next = offset;
    }
    for (;;) {
      const records = await this.#log.read(this.#partition, this.#next, READ_RECORDS);
      for (const { offset, bytes } of records) {
        this.#note(offset, bytes);
        this.#next = offset + 1;
      }
      if (records.length === 0) return;
    }
  }

  #note(offset: number, bytes: Uint8Array): void {
    const record = decodedEvent(bytes);
    if (record?.kind !== "forget" || record.pass !== 1) return;
    const { user, erasureId } = record;
    this.#byUser.set(user, [...this.#byUser.get(user) ?? [], { erasureId, offset }]);
  }

  /** Ids of the user's erasures whose records follow `offset`, the newest first. */
  after(user: string, offset: number): string[] {
    const records = this.#byUser.get(user) ?? [];
    return records.filter((record) => record.offset > offset)
      .map(({ erasureId }) => erasureId).reverse();
  }

  /** Forgets the records before `offset`. */
  dropBefore(offset: number): void {
    if (offset <= this.#from) return;
    this.#from = offset;
    this.#next = Math.max(this.#next, offset);
    for (const [user, records] of this.#byUser) {
      const left = records.filter((record) => record.offset >= offset);
      if (left.length > 0) this.#byUser.set(user, left);
      else this.#byUser.delete(user);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#byUser.clear();
    this.#from = Infinity;
  }
}

/** The record; undefined where it is damaged or of another version, which the joiner tells of. */
function decodedEvent(bytes: Uint8Array): EventRecord | undefined {
  try {
    return decodeEvent(bytes);
  } catch {
    return undefined;
  }
}
