/**
 * Records of the event log: impressions (rankings as they were served), reports of the items that
 * were shown of them, actions (the events that clients posted), and the records of erasures. Each
 * record is one MessagePack map whose keys are the fields below.
 */
import { decode, Encoder } from "@msgpack/msgpack";
import type { BufferPool } from "../structures/buffer_pool.ts";
import { type Fingerprint, fingerprintOf } from "../structures/fingerprint.ts";
import { MemorySlab } from "../structures/memory_slab.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import type { ErasurePass } from "./erasure.ts";
import { areRows } from "./impression_rows.ts";
import { ImpressionRowsReader } from "./impression_rows_reader.ts";
import { areEvents } from "./remembered_events.ts";

/** One ranking as it was served. Written by the ranker before it answers. */
export interface ImpressionRecord {
  readonly kind: "impression";
  readonly rankingId: string;
  /** Time of the request on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Wall time of the append, ms. */
  readonly acceptedAtMs: number;
  readonly user: string;
  /**
   * Items in the order shown, with the first task's predictions and the features: the bytes laid
   * out in impression_rows.ts.
   */
  readonly shown: Uint8Array;
  /**
   * Present where no ranking was served and the rows are a sample: ln(share) of the items without
   * an action that the rows hold. Their examples are corrected for it as for sampled negatives.
   */
  readonly logSampleRate?: number;
  /** Present where only items that a {@link ShownRecord} or an action names count as shown. */
  readonly awaitsShown?: true;
  /** Items that a rule about new items moved forward; absent if there are none. */
  readonly newItems?: readonly MovedItem[];
  /** W3C trace context of the request, where its spans are recorded. */
  readonly trace?: string;
}

/** A shown item that a draw moved forward. */
export interface MovedItem {
  /** Position in the order shown, from 0. */
  readonly index: number;
  /** Probability with which such a ranking moves the item, in (0, 1]. */
  readonly chance: number;
}

/**
 * A report of items that a client has shown of a ranking. The reports of one ranking add up, so
 * that a report may come twice, and in any order. Written by the gateway.
 */
export interface ShownRecord {
  readonly kind: "shown";
  readonly rankingId: string;
  /** In the order shown; items that the ranking does not have are ignored. */
  readonly items: readonly string[];
  /** Time of the report on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Wall time of the append, ms. */
  readonly acceptedAtMs: number;
}

/** One action on a shown item. Written by the gateway. */
export interface ActionRecord {
  readonly kind: "action";
  /** Unique; a second action with the same id changes nothing. */
  readonly eventId: string;
  /** The ranking that showed the item. An event that named none was attributed to it. */
  readonly rankingId: string;
  /** The user of an event that named no ranking; absent where it named one. */
  readonly user?: string;
  readonly item: string;
  /** Name of the action: `click`, `purchase`, `rating`, … */
  readonly action: string;
  /** Strength of the action, if it has one (a rating, a price, seconds watched). */
  readonly value?: number;
  /** Time of the action on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /**
   * Wall time of acceptance, ms, fractional, strictly ascending within a gateway. Freshness is
   * measured from it.
   */
  readonly acceptedAtMs: number;
}

/**
 * Erases a user: every part that reads the log drops its state of the user when it comes to this
 * record. It goes to every partition. Written by the gateway.
 */
export interface ForgetRecord {
  readonly kind: "forget";
  /** Id of the receipt. */
  readonly erasureId: string;
  readonly pass: ErasurePass;
  readonly user: string;
  /** Wall time of the erasure, ms; it moves the data clock like any other record. */
  readonly atMs: number;
  readonly acceptedAtMs: number;
}

/**
 * Lets the log before it be trimmed, however new it is: an erasure has to leave the files too. Only
 * records that a feature keeper or a gateway could not do without after a restart stay. It moves
 * the data clock, so that windows end where no client sends anything. Written by the gateway while
 * erasures are under way.
 */
export interface ReleaseRecord {
  readonly kind: "release";
  /** By partition, the offset from which records stay; absent = that of this record. */
  readonly retainedFrom?: readonly number[];
  readonly atMs: number;
  readonly acceptedAtMs: number;
}

/**
 * Event ids that a gateway remembers, whose own records a release lets go. Written by the gateway
 * before a release, as many records as it takes.
 */
export interface RememberedRecord {
  readonly kind: "remembered";
  /** The bytes laid out in remembered_events.ts. */
  readonly events: Uint8Array;
  readonly atMs: number;
  readonly acceptedAtMs: number;
}

/**
 * Says that no event of an earlier acceptance time follows in its partition, and moves the data
 * clock. Written by the gateway to partitions that have had no event for a moment.
 */
export interface MarkRecord {
  readonly kind: "mark";
  /** Newest time of an event or a ranking that the gateway knows, ms. */
  readonly atMs: number;
  readonly acceptedAtMs: number;
}

/** A record of the event log that belongs to a ranking. */
export type RankingRecord = ImpressionRecord | ShownRecord | ActionRecord;

/** A record of the event log. */
export type EventRecord =
  | RankingRecord
  | ForgetRecord
  | ReleaseRecord
  | RememberedRecord
  | MarkRecord;

/** Used for all records: a new encoder allocates its buffer, half the cost of a small record. */
const encoder = new Encoder({ ignoreUndefined: true });

/** Memory of encoded records, which a log has written a moment later. */
const slab = new MemorySlab();

/** The record as bytes for the event log. */
export function encodeEvent(record: EventRecord): Uint8Array {
  return slab.copyOf(encoder.encodeSharedRef(record));
}

/** {@link encodeEvent} in memory of a pool, to which the caller gives it back. */
export function encodeInPool(record: EventRecord, pool: BufferPool): Uint8Array<ArrayBuffer> {
  return pool.copyOf(encoder.encodeSharedRef(record));
}

/**
 * The record as {@link encodeEvent} writes it, with its acceptance time as the last 8 bytes, a
 * big-endian float64: a log that several gateways write may put a later time there.
 */
export function encodeStampable(record: ActionRecord | MarkRecord): Uint8Array {
  const { acceptedAtMs, ...others } = record;
  // A fraction is encoded as a float64, which a whole number is not.
  const bytes = encoder.encode({ ...others, acceptedAtMs: 0.5 });
  new DataView(bytes.buffer, bytes.byteOffset).setFloat64(bytes.byteLength - 8, acceptedAtMs);
  return bytes;
}

/**
 * The record that {@link encodeEvent} wrote.
 *
 * @throws {Error} When the bytes are not MessagePack.
 * @throws {RangeError} When a field is missing or of another type, as in a record of another
 * version. An impression's `shown` is not checked: see `areRowsOf`.
 */
export function decodeEvent(bytes: Uint8Array): EventRecord {
  const record = decode(bytes) as Readonly<Record<string, unknown>> | null;
  if (!isEventRecord(record)) {
    throw new RangeError("The event record has unknown or missing fields");
  }
  return record;
}

function isEventRecord(record: unknown): record is EventRecord {
  if (typeof record !== "object" || record === null) return false;
  const fields = record as Readonly<Record<string, unknown>>;
  if (!Number.isFinite(fields.atMs) || !Number.isFinite(fields.acceptedAtMs)) return false;
  switch (fields.kind) {
    case "impression":
      return typeof fields.rankingId === "string" && typeof fields.user === "string" &&
        fields.shown instanceof Uint8Array &&
        (fields.logSampleRate === undefined || isLogRate(fields.logSampleRate)) &&
        (fields.awaitsShown === undefined || fields.awaitsShown === true) &&
        (fields.newItems === undefined || areMovedItems(fields.newItems)) &&
        (fields.trace === undefined || typeof fields.trace === "string");
    case "shown":
      return typeof fields.rankingId === "string" && Array.isArray(fields.items) &&
        fields.items.every((item) => typeof item === "string");
    case "action":
      return typeof fields.rankingId === "string" && typeof fields.eventId === "string" &&
        typeof fields.item === "string" && typeof fields.action === "string" &&
        (fields.user === undefined || typeof fields.user === "string") &&
        (fields.value === undefined || typeof fields.value === "number");
    case "forget":
      return typeof fields.erasureId === "string" && typeof fields.user === "string" &&
        (fields.pass === 1 || fields.pass === 2);
    case "release":
      return fields.retainedFrom === undefined ||
        Array.isArray(fields.retainedFrom) && fields.retainedFrom.every(Number.isSafeInteger);
    case "remembered":
      return fields.events instanceof Uint8Array && areEvents(fields.events);
    case "mark":
      return true;
    default:
      return false;
  }
}

function areMovedItems(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => {
    const { index, chance } = (each ?? {}) as Partial<MovedItem>;
    return Number.isSafeInteger(index) && typeof chance === "number" && chance > 0 && chance <= 1;
  });
}

/** Whether the value is ln of a share in (0, 1]. */
function isLogRate(value: unknown): boolean {
  return typeof value === "number" && value <= 0 && Number.isFinite(value);
}

const reader = new ImpressionRowsReader();

/**
 * The rows of a ranking, in the order shown.
 *
 * @returns Valid until the next call.
 * @throws {RangeError} When the rows are damaged.
 */
export function readRows({ rankingId, shown }: ImpressionRecord): ImpressionRowsReader {
  if (!areRows(shown)) {
    throw new RangeError(`Cannot read the items of ranking "${rankingId}": its rows are damaged`);
  }
  return reader.open(NumberMemory.copyOf(shown));
}

/**
 * Ids of the items of a ranking, in the order shown.
 *
 * @throws {RangeError} When the rows are damaged.
 */
export function itemsShown(record: ImpressionRecord): string[] {
  return readRows(record).items();
}

/**
 * The partition of a ranking's records. An impression and its actions lie in the same partition, so
 * that the log orders them.
 */
export function eventPartition(rankingId: string, partitions: number): number {
  return partitionOfFingerprint(fingerprintOf(rankingId), partitions);
}

/** {@link eventPartition}, for a ranking whose fingerprint is known. */
export function partitionOfFingerprint({ low }: Fingerprint, partitions: number): number {
  return low % partitions;
}
