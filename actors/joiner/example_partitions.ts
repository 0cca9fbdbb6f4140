/**
 * The partitions of the example log that belong to a joiner. All examples of one ranking go to one
 * partition.
 *
 * With E partitions of the event log, joiner j writes the partitions j, j + E, j + 2E, …: a ranking
 * whose id has the hash h lies in partition h mod E of the event log, and its examples in partition
 * h mod X of the example log, where X is a multiple of E. In a later partitioning the numbers are
 * those behind the partitions before.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { type EventLog, isRefusal } from "../../mesh/ports/event_log.ts";
import type { Partitioning } from "../../mesh/ports/partitioning.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import { invariant } from "../../structures/invariant.ts";
import type { ExampleChunkBuilder } from "./example_chunk_builder.ts";
import { BEGINNING, beginOf, claimPartition } from "./claimed_partition.ts";
import { type Beginning, type ChunkLimits, ExamplePartition } from "./example_partition.ts";
import type { JoinMoment } from "./join_moment.ts";
import { type JoinStart, joinStartOf } from "./join_start.ts";
import type { ImpressionHeader } from "./held_impressions.ts";
import type { JoinerOptions } from "./options.ts";

/** The state before the first chunk of all. */
const FIRST: Beginning = { position: BEGINNING, orderedAtMs: 0 };

export interface ExamplePartitionsParts {
  readonly log: EventLog;
  readonly columns: ExampleColumns;
  /** The partitioning to which the joiner's partition belongs. */
  readonly partitioning: Partitioning;
  readonly clock: Pick<Clock, "nowMs">;
  /**
   * The state before the first chunk, with what is carried over from an earlier partitioning;
   * absent where there is none. Called where a position is that one, or refers to it.
   */
  readonly beginning?: (() => Promise<Beginning>) | undefined;
}

export class ExamplePartitions {
  readonly #partitions: readonly ExamplePartition[];
  readonly #partitioning: Partitioning;
  /** Where the joiner begins. */
  readonly start: JoinStart;

  private constructor(partitions: readonly ExamplePartition[], partitioning: Partitioning) {
    this.#partitions = partitions;
    this.#partitioning = partitioning;
    this.start = joinStartOf(partitions.map(({ start }) => start));
  }

  /**
   * Opens the partitions of the joiner of `limits.partition`.
   *
   * @throws {StaleWriterError} Another joiner has them under a later epoch.
   * @throws {Error} When a partition's newest chunk was trimmed.
   */
  static async open(
    { log, columns, partitioning, clock, beginning }: ExamplePartitionsParts,
    limits: ChunkLimits & Pick<JoinerOptions, "tenure" | "partition">,
  ): Promise<ExamplePartitions> {
    const own = examplePartitionsOf(partitioning, limits.partition);
    const claimed = await Promise.all(
      own.map((partition) => claimPartition(log, partition, limits.tenure)),
    );
    const isCarried = claimed.some(({ last }) => {
      return last?.resume === undefined || beginOf(last.resume).offset < 0;
    });
    const begin = isCarried && beginning !== undefined ? await beginning() : FIRST;
    const parts = { log, columns, limits, clock };
    return new ExamplePartitions(
      claimed.map((each) => new ExamplePartition(parts, each, begin)),
      partitioning,
    );
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

  /** Whether every partition has begun, see {@link ExamplePartition.isBegun}. */
  get areBegun(): boolean {
    return this.#partitions.every(({ isBegun }) => isBegun);
  }

  /** The builder for the impression's next example, see {@link ExamplePartition.builderFor}. */
  builderFor(
    { fingerprint, offset }: ImpressionHeader,
    isLate: boolean,
    moment: JoinMoment,
  ): ExampleChunkBuilder | undefined {
    const { events, examples } = this.#partitioning;
    const own = Math.floor(partitionOfFingerprint(fingerprint, examples.count) / events.count);
    return this.#partitions[own].builderFor(isLate ? undefined : offset, moment);
  }

  /** Has a partition reach an order, see {@link ExamplePartition.reach}. */
  reach(partition: number, offset: number, orderedAtMs: number): void {
    this.#own(partition)?.reach(offset, orderedAtMs);
  }

  /** Notes that a trainer has taken chunks, see {@link ExamplePartition.taken}. */
  taken(partition: number, offset: number): void {
    this.#own(partition)?.taken(offset);
  }

  /** The partition of this number; undefined where it is of another partitioning. */
  #own(partition: number): ExamplePartition | undefined {
    const { events, examples } = this.#partitioning;
    return this.#partitions[Math.floor((partition - examples.first) / events.count)];
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

  /** Finishes the last chunk of every partition, see {@link ExamplePartition.end}. */
  end(moment: JoinMoment): void {
    for (const partition of this.#partitions) partition.end(moment);
  }

  /** Whether every partition has its last chunk, which may wait. */
  get isEnded(): boolean {
    return this.#partitions.every(({ isEnded }) => isEnded);
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

/** The partitions of the example log that the joiner of an event partition writes, ascending. */
export function examplePartitionsOf(
  { events, examples }: Partitioning,
  partition: number,
): number[] {
  const { count } = events;
  invariant(examples.count % count === 0, "each joiner has as many example partitions");
  const first = examples.first + partition - events.first;
  return Array.from({ length: examples.count / count }, (_, i) => first + i * count);
}
