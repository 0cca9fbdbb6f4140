/**
 * The partitions of the example log that belong to a joiner. All examples of one ranking go to one
 * partition.
 *
 * With E partitions of the event log, joiner j writes the partitions j, j + E, j + 2E, …: a ranking
 * whose id has the hash h lies in partition h mod E of the event log, and its examples in partition
 * h mod X of the example log, where X is a multiple of E.
 */
import type { ExampleShape } from "../../kernels/features/feature_batch.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { type EventLog, isRefusal } from "../../mesh/ports/event_log.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { invariant } from "../../structures/invariant.ts";
import type { ExampleChunkBuilder } from "./example_chunk_builder.ts";
import { beginOf, type ChunkLimits, ExamplePartition } from "./example_partition.ts";
import type { JoinMoment } from "./join_moment.ts";
import type { ImpressionHeader } from "./held_impressions.ts";
import type { JoinerOptions } from "./options.ts";

interface PartitionLayout {
  /** Partitions of the example log, of all joiners. */
  readonly examples: number;
  readonly eventPartitions: number;
}

export interface ExamplePartitionsParts {
  readonly log: EventLog;
  readonly shape: ExampleShape;
  /** Number of partitions of the event log. */
  readonly eventPartitions: number;
  readonly clock: Pick<Clock, "nowMs">;
}

export class ExamplePartitions {
  readonly #partitions: readonly ExamplePartition[];
  readonly #layout: PartitionLayout;
  /** Where the joiner begins to read. */
  readonly start: NonNullable<JoinerPosition["retained"]>;
  /** Impressions before this offset were decided by records before {@link decidedInAllBefore}. */
  readonly openFrom: number;
  /** Positive labels before {@link decidedInAllBefore}. */
  readonly positives: JoinerPosition["positives"];
  /** Actions that were held before {@link decidedInAllBefore}. */
  readonly early: JoinerPosition["early"];
  /** Records before this offset were decided in all partitions when the joiner started. */
  readonly decidedInAllBefore: number;
  /** Records before this offset were decided in at least one partition when the joiner started. */
  readonly decidedInAnyBefore: number;
  /** Whether the newest chunk of a partition ended in the middle of a moment's examples. */
  readonly isSplit: boolean;

  private constructor(partitions: readonly ExamplePartition[], layout: PartitionLayout) {
    this.#partitions = partitions;
    this.#layout = layout;
    const starts = partitions.map(({ start }) => start);
    this.start = starts.map(beginOf).reduce((a, b) => b.offset < a.offset ? b : a);
    const hindmost = starts.reduce((a, b) => isBehind(b, a) ? b : a);
    this.openFrom = openOffsetOf(hindmost);
    this.decidedInAllBefore = hindmost.eventOffset;
    this.positives = hindmost.positives;
    this.early = hindmost.early;
    this.isSplit = starts.some(({ rowsAfter }) => rowsAfter > 0);
    this.decidedInAnyBefore = Math.max(...starts.map(({ eventOffset }) => eventOffset));
  }

  /**
   * Opens the partitions of the joiner of `limits.partition`.
   *
   * @throws {StaleWriterError} Another joiner has them under a later epoch.
   * @throws {Error} When a partition's newest chunk was trimmed.
   */
  static async open(
    { log, shape, eventPartitions, clock }: ExamplePartitionsParts,
    limits: ChunkLimits & Pick<JoinerOptions, "tenure" | "partition">,
  ): Promise<ExamplePartitions> {
    const { partitions: examples } = log;
    invariant(examples % eventPartitions === 0, "each joiner has as many example partitions");
    const partitions = Array.from({ length: examples / eventPartitions }, (_, i) => {
      const partition = limits.partition + i * eventPartitions;
      return ExamplePartition.open(log, partition, shape, limits, clock);
    });
    return new ExamplePartitions(await Promise.all(partitions), { examples, eventPartitions });
  }

  /** Traces of the chunks that were finished since the last call. */
  takeTraces(): readonly TraceContext[] {
    return this.#partitions.flatMap((partition) => partition.takeTraces());
  }

  /** Rows of the longest unfinished chunk. */
  get rowsMax(): number {
    let rowsMax = 0;
    for (const { rows } of this.#partitions) rowsMax = Math.max(rowsMax, rows);
    return rowsMax;
  }

  /** Rows that are not written. */
  get rowsWaiting(): number {
    return this.#partitions.reduce((sum, { rowsWaiting }) => sum + rowsWaiting, 0);
  }

  /** When the next unfinished chunk has waited long enough, on the monotonic clock, ms. */
  get dueAtMs(): number {
    return Math.min(...this.#partitions.map(({ dueAtMs }) => dueAtMs));
  }

  /** Finished chunks that are not written, in the partition that has the most. */
  get chunksWaitingMax(): number {
    return Math.max(...this.#partitions.map(({ chunksWaiting }) => chunksWaiting));
  }

  /** Offset from which a restart would read again, by the chunks that are written. */
  get retainedOffset(): number {
    return Math.min(...this.#partitions.map(({ retainedOffset }) => retainedOffset));
  }

  /** The builder for the impression's next example, see {@link ExamplePartition.builderFor}. */
  builderFor(
    { fingerprint, offset }: ImpressionHeader,
    isLate: boolean,
    moment: JoinMoment,
  ): ExampleChunkBuilder | undefined {
    const { examples, eventPartitions } = this.#layout;
    const own = Math.floor(partitionOfFingerprint(fingerprint, examples) / eventPartitions);
    return this.#partitions[own].builderFor(isLate ? undefined : offset, moment);
  }

  /** Has a partition reach an order, see {@link ExamplePartition.reach}. */
  reach(partition: number, offset: number, orderedAtMs: number): void {
    const own = Math.floor(partition / this.#layout.eventPartitions);
    this.#partitions[own]?.reach(offset, orderedAtMs);
  }

  /** Finishes the full chunks. */
  finishFull(moment: JoinMoment): void {
    for (const partition of this.#partitions) partition.finishFull(moment);
  }

  /** Finishes the chunks that are due, see {@link ExamplePartition.endTurn}. */
  endTurn(moment: JoinMoment, nowMs: number): void {
    for (const partition of this.#partitions) partition.endTurn(moment, nowMs);
  }

  /**
   * Finishes an empty chunk, which carries acceptance mark and position on, in the partitions
   * without rows.
   */
  finishEmpty(moment: JoinMoment): void {
    for (const partition of this.#partitions) {
      if (partition.rows === 0) partition.finishChunk(moment);
    }
  }

  /** Finishes a chunk in every partition; an empty one carries acceptance mark and position on. */
  finishAll(moment: JoinMoment): void {
    for (const partition of this.#partitions) partition.finishChunk(moment);
  }

  /** Finishes the chunks that have rows, so that an erasure comes after them. */
  finishRows(moment: JoinMoment): void {
    for (const partition of this.#partitions) {
      if (partition.rows > 0) partition.finishChunk(moment);
    }
  }

  /** Finishes a chunk with erasures in every partition, see {@link ExamplePartition.forget}. */
  forget(forget: readonly Forgotten[], moment: JoinMoment): void {
    for (const partition of this.#partitions) partition.forget(forget, moment);
  }

  /** Drops the finished chunks, see {@link ExamplePartition.drop}. */
  drop(): number {
    return this.#partitions.reduce((rows, partition) => rows + partition.drop(), 0);
  }

  /**
   * Appends the finished chunks of all partitions at once: each append waits for the disk.
   *
   * @returns How many they are.
   * @throws {LogFullError | LogUnavailableError} When a partition takes nothing now; its chunks
   *   wait.
   */
  async write(): Promise<number> {
    const writes = this.#partitions.map((partition) => partition.write());
    const failures: unknown[] = [];
    let chunks = 0;
    for (const outcome of await Promise.allSettled(writes)) {
      if (outcome.status === "fulfilled") chunks += outcome.value;
      else failures.push(outcome.reason);
    }
    if (failures.length > 0) throw failures.find((error) => !isRefusal(error)) ?? failures[0];
    return chunks;
  }
}

/** Offset of the oldest impression that was open at the position. */
function openOffsetOf({ openFrom, replayOffset }: JoinerPosition): number {
  return openFrom?.offset ?? replayOffset;
}

/**
 * Whether a position is before another one. A record that closes several impressions has several
 * positions of one event offset.
 */
function isBehind(one: JoinerPosition, other: JoinerPosition): boolean {
  return one.eventOffset < other.eventOffset ||
    (one.eventOffset === other.eventOffset && openOffsetOf(one) < openOffsetOf(other));
}
