/**
 * The joiner's door, and the two records of the event log that it reads: what was shown, and what people did.
 */
import { decode, Encoder } from "@msgpack/msgpack";
import { NumberMemory } from "../../kernels/features/number_memory.ts";
import { areRows, ShownRowsReader } from "../../kernels/features/shown_rows.ts";
import type { Request } from "../../mesh/runtime/actor.ts";
import { type Fingerprint, fingerprintOf } from "../../mesh/runtime/fingerprint.ts";

/** One ranking as it was served. Written by the ranker before it answers. */
export interface ImpressionRecord {
  readonly kind: "impression";
  readonly rankingId: string;
  /** Data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Wall time at which the log took it, ms. */
  readonly acceptedAtMs: number;
  readonly user: string;
  /** Items in the order shown, the first task's predictions as scores, and the features that were served: `ShownRowsWriter`. */
  readonly shown: Uint8Array;
}

/** One thing that a person did with a shown item. Written by the gateway. */
export interface ActionRecord {
  readonly kind: "action";
  /** Unique; a second action with the same id changes nothing. */
  readonly eventId: string;
  readonly rankingId: string;
  readonly item: string;
  /** What was done: `click`, `purchase`, `rating`, … */
  readonly action: string;
  /** Its strength where it has one (a rating, a price, seconds watched). */
  readonly value?: number;
  /** Data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Wall time of acceptance, ms, fractional, strictly ascending within a gateway: the mark that freshness is measured from. */
  readonly acceptedAtMs: number;
}

/** A record of the event log. */
export type EventRecord = ImpressionRecord | ActionRecord;

/**
 * The items of a ranking, in the order shown.
 *
 * @throws {RangeError} The record is damaged.
 */
export function itemsShown({ shown }: ImpressionRecord): string[] {
  if (!areRows(shown)) throw new RangeError("What the ranking showed cannot be read");
  return reader.open(NumberMemory.copyOf(shown)).items();
}

const reader = new ShownRowsReader();

/** Kept, because a fresh one allocates its buffer anew: half the time of a small record. */
const encoder = new Encoder({ ignoreUndefined: true });

/** The record as bytes for the log. */
export function encodeEvent(record: EventRecord): Uint8Array {
  return encoder.encode(record);
}

/** The record that {@link encodeEvent} wrote. */
export function decodeEvent(bytes: Uint8Array): EventRecord {
  return decode(bytes) as EventRecord;
}

/**
 * Both records of one ranking lie in one partition of the event log, in order, and its examples in one of the example
 * log.
 */
export function eventPartition(rankingId: string, partitions: number): number {
  return partitionOf(fingerprintOf(rankingId), partitions);
}

/** {@link eventPartition} of a ranking of that fingerprint. */
export function partitionOf({ low }: Fingerprint, partitions: number): number {
  return low % partitions;
}

/** New records may be readable in the event log. */
export interface EventsAppended {
  readonly kind: "eventsAppended";
}

/** What the joiner holds, and what became of all that it read. */
export interface JoinerStatus {
  readonly impressionsOpen: number;
  /** Closed before their window was over: `impressionsMax` was reached, or the event log was nearly full. */
  readonly impressionsClosedEarly: number;
  /** Rankings that came again under the id of an open one, and took its place. */
  readonly impressionsDuplicate: number;
  readonly examplesEmitted: number;
  /** Negatives that sampling left out. */
  readonly examplesSampledOut: number;
  /** Actions that changed a label or confirmed one. */
  readonly actionsMatched: number;
  /** Actions that match no label rule: known, and without effect. */
  readonly actionsIgnored: number;
  /** Actions whose ranking was never seen or has been forgotten, or whose item was not shown in it. */
  readonly actionsUnmatched: number;
  readonly actionsDuplicate: number;
  /** Actions on an item, or a ranking, that was already decided. */
  readonly actionsLate: number;
  /** Actions over `actionsPerImpressionMax`. */
  readonly actionsExcess: number;
  /** Events whose time lay further ahead of their acceptance than `clockSkewMsMax`. */
  readonly eventsAheadOfTime: number;
  /** Records that could not be decoded; skipped. */
  readonly recordsInvalid: number;
  /** Next event log offset. */
  readonly offset: number;
  /** Newest data time seen, ms. */
  readonly dataClockMs: number;
}

/** Asks for {@link JoinerStatus}. */
export interface GetJoinerStatus extends Request<JoinerStatus> {
  readonly kind: "getStatus";
}

/** All that a joiner understands. */
export type JoinerMessage = EventsAppended | GetJoinerStatus;
