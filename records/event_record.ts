/**
 * Records of the event log: what was shown (impressions), and what people did (actions).
 */
import { decode, Encoder } from "@msgpack/msgpack";
import { type Fingerprint, fingerprintOf } from "../structures/fingerprint.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import { areRows, ShownRowsReader } from "./impression_rows.ts";

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
