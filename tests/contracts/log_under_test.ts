/**
 * A log as the contracts of event logs test it.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";

export interface EventLogUnderTest {
  readonly log: EventLog;
  /** Closes the log and opens it again where that means something. */
  reopen?(): Promise<EventLog>;
  dispose(): Promise<void>;
}

export interface OpenOptions {
  readonly partitions: number;
  readonly bytesMax?: number;
  /** Time for which ids of `appendOnce` are retained, ms; undefined: as in production. */
  readonly idsRetainedMs?: number;
}

export const text = (value: string) => new TextEncoder().encode(value);

export const words = (...values: string[]) => values.map(text);

/** The records of a partition, each as `offset:text`. */
export const readAll = async (log: EventLog, partition: number, from = 0): Promise<string[]> =>
  (await log.read(partition, from, 1_000_000)).map(({ offset, bytes }) =>
    `${offset}:${new TextDecoder().decode(bytes)}`
  );

/** Adds a test of a fresh log. */
export type ContractTest = (
  name: string,
  run: (under: EventLogUnderTest) => Promise<void>,
  options?: OpenOptions,
) => void;
