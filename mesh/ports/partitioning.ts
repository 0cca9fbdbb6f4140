/**
 * Divisions of the rankings among the partitions of the event log and of the example log.
 *
 * A partition keeps its number for ever, and no number is used for another partition. Another
 * number of partitions is another partitioning: its partitions have the numbers behind those of the
 * partitionings before, whose event partitions are sealed and whose example partitions end.
 *
 *     partitionings   { events: 1, examples: 2 }   { events: 3, examples: 3 }
 *     event log       0                            1 2 3
 *     example log     0 1                          2 3 4
 */
import { invariant, present } from "../../structures/invariant.ts";

/** The numbers of partitions of one partitioning. */
export interface PartitionCounts {
  /** Partitions of the event log; each has a joiner. */
  readonly events: number;
  /** Partitions of the example log, a multiple of `events`. */
  readonly examples: number;
}

/** Partitions with consecutive numbers. */
export interface PartitionRange {
  readonly first: number;
  readonly count: number;
}

/** The partitions of one partitioning. */
export interface Partitioning {
  readonly events: PartitionRange;
  readonly examples: PartitionRange;
}

/** The partitionings with these counts, oldest first. */
export function partitioningsOf(all: readonly PartitionCounts[]): Partitioning[] {
  let [firstEvents, firstExamples] = [0, 0];
  return all.map(({ events, examples }) => {
    const partitioning: Partitioning = {
      events: { first: firstEvents, count: events },
      examples: { first: firstExamples, count: examples },
    };
    firstEvents += events;
    firstExamples += examples;
    return partitioning;
  });
}

/** The newest partitioning, in which rankings are logged. */
export function presentPartitioning(all: readonly PartitionCounts[]): Partitioning {
  return present(partitioningsOf(all).at(-1), "a log has a partitioning");
}

/** Partitions of all partitionings together. */
export function partitionTotals(all: readonly PartitionCounts[]): PartitionCounts {
  const { events, examples } = presentPartitioning(all);
  return { events: endOf(events), examples: endOf(examples) };
}

/** The number behind the last partition of a range. */
export function endOf({ first, count }: PartitionRange): number {
  return first + count;
}

/** The numbers of a range. */
export function numbersOf({ first, count }: PartitionRange): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Whether a partition is one of a range. */
export function isIn({ first, count }: PartitionRange, partition: number): boolean {
  return partition >= first && partition < first + count;
}

/** The event partition whose joiner writes a partition of the example log. */
export function eventsOfExamples(all: readonly PartitionCounts[], examples: number): number {
  const own = partitioningsOf(all).find((each) => isIn(each.examples, examples));
  invariant(own !== undefined, "a partition of the example log is in a partitioning");
  return own.events.first + (examples - own.examples.first) % own.events.count;
}
