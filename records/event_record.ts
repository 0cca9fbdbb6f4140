/**
 * Records of the event log: impressions (rankings as they were served) and actions (the events that
 * clients posted). Each record is one MessagePack map whose keys are the fields below.
 */
import { decode, Encoder } from "@msgpack/msgpack";
import { type Fingerprint, fingerprintOf } from "../structures/fingerprint.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import { areRows } from "./impression_rows.ts";
import { ImpressionRowsReader } from "./impression_rows_reader.ts";

/** One ranking as it was served. Written by the ranker before it answers. */
export interface ImpressionRecord {
  readonly kind: "impression";
  readonly rankingId: string;
  /** Time of the request on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Wall time of the append, ms. */
  readonly acceptedAtMs: number;
  readonly user: string;
  /** Items in the order shown, scores and features: the bytes laid out in impression_rows.ts. */
  readonly shown: Uint8Array;
  /**
   * Present where no ranking was served and the rows are a sample: ln(share) of the items without
   * an action that the rows hold. Their examples are corrected for it as for sampled negatives.
   */
  readonly logSampleRate?: number;
  /** W3C trace context of the request, where its spans are recorded. */
  readonly trace?: string;
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

/** A record of the event log. */
export type EventRecord = ImpressionRecord | ActionRecord;

/** Kept between records: a new encoder allocates its buffer, half the cost of a small record. */
const encoder = new Encoder({ ignoreUndefined: true });

/** The record as bytes for the event log. */
export function encodeEvent(record: EventRecord): Uint8Array {
  return encoder.encode(record);
}

/**
 * The record that {@link encodeEvent} wrote.
 *
 * @throws {Error} When the bytes are not MessagePack.
 * @throws {RangeError} When a field is missing or of another type, as in a record of another
 * version. An impression's `shown` is not checked: see `areRowsOf`.
 */
export function decodeEvent(bytes: Uint8Array): EventRecord {
  const record = decode(bytes) as Partial<EventRecord> | null;
  if (!isEventRecord(record)) {
    throw new RangeError("The event record has unknown or missing fields");
  }
  return record;
}

function isEventRecord(record: Partial<EventRecord> | null): record is EventRecord {
  if (typeof record !== "object" || record === null) return false;
  const { rankingId, atMs, acceptedAtMs } = record;
  if (typeof rankingId !== "string" || !Number.isFinite(atMs) || !Number.isFinite(acceptedAtMs)) {
    return false;
  }
  if (record.kind === "impression") {
    return typeof record.user === "string" && record.shown instanceof Uint8Array &&
      (record.logSampleRate === undefined || isLogRate(record.logSampleRate)) &&
      (record.trace === undefined || typeof record.trace === "string");
  }
  return record.kind === "action" && typeof record.eventId === "string" &&
    typeof record.item === "string" && typeof record.action === "string" &&
    (record.user === undefined || typeof record.user === "string") &&
    (record.value === undefined || typeof record.value === "number");
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
export function rowsShown({ rankingId, shown }: ImpressionRecord): ImpressionRowsReader {
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
  return rowsShown(record).items();
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
