/**
 * The start of a joiner: gives the logs their partitions, claims its own ones of the example log,
 * and takes over what an earlier partitioning has left, where it still needs that.
 */
import { exampleColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import {
  isIn,
  type PartitionCounts,
  partitionTotals,
  presentPartitioning,
} from "../../mesh/ports/partitioning.ts";
import { present } from "../../structures/invariant.ts";
import { beginningWith, type CarryOver } from "./carry_over.ts";
import { ExamplePartitions } from "./example_partitions.ts";
import type { JoinerOptions } from "./options.ts";
import { PositionLostError } from "./position_lost_error.ts";
import type { JoinerMessage } from "./protocol.ts";
import { awaitCarryOver, partitioningsUpTo } from "./read_carry_over.ts";

export interface JoinerLogs {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
}

/** The state of the logs that a joiner has opened. */
export interface OpenedJoiner {
  readonly examples: ExamplePartitions;
  readonly endOffset: number;
  /** Present where some position refers to an earlier partitioning. */
  readonly carryOver: CarryOver | undefined;
  /** Whether its partition is of the newest partitioning: the others are sealed. */
  readonly isLast: boolean;
}

/**
 * @throws {PositionLostError} The event log ends before the position.
 * @throws {NotEndedError} The joiners of the partitioning before have not ended for seconds.
 * @throws {StaleWriterError} Another joiner has the partition under a later epoch.
 */
export async function openJoiner(
  context: ActorContext<JoinerMessage>,
  options: JoinerOptions,
  logs: JoinerLogs,
): Promise<OpenedJoiner> {
  const { eventLog, exampleLog } = logs;
  const { tasks, partition } = options;
  const { clock } = context;
  const counts = options.partitionings ??
    [{ events: eventLog.partitions, examples: exampleLog.partitions }];
  if (counts.length > 1) await extend(logs, counts);
  const own = present(
    partitioningsUpTo(counts, partition).at(-1),
    "the joiner's partition is in a partitioning",
  );
  let carryOver: CarryOver | undefined;
  const examples = await ExamplePartitions.open({
    log: exampleLog,
    columns: exampleColumnsOf(options, tasks.map(({ task }) => task)),
    partitioning: own,
    clock,
    ...(own.events.first > 0 && {
      beginning: async () => {
        const taken = await awaitCarryOver(context, logs, options);
        carryOver = present(taken, "there is an earlier partitioning");
        return { position: beginningWith(carryOver), orderedAtMs: carryOver.orderedAtMs };
      },
    }),
  }, options);
  const endOffset = await eventLog.endOffset(partition);
  const { decidedInAnyBefore, begin } = examples.start;
  if (decidedInAnyBefore > endOffset) {
    throw new PositionLostError(partition, decidedInAnyBefore, endOffset);
  }
  const replayOffset = Math.max(0, begin.offset);
  const [oldest] = await eventLog.read(partition, replayOffset, 1);
  const beginOffset = oldest?.offset ?? endOffset;
  if (beginOffset > replayOffset && !examples.isEnded) {
    context.telemetry.log(
      "warn",
      `the event log events/${partition} begins at offset ${beginOffset}, and open ` +
        `rankings need it from offset ${replayOffset}: the records before were trimmed while ` +
        "examples were dropped, or files are lost. Events on those rankings are not learned.",
    );
  }
  const { events } = presentPartitioning(counts);
  return { examples, endOffset, carryOver, isLast: isIn(events, partition) };
}

/** Gives the logs all partitions, and seals the earlier ones, however many joiners do it. */
async function extend(
  { eventLog, exampleLog }: JoinerLogs,
  counts: readonly PartitionCounts[],
): Promise<void> {
  const { events, examples } = partitionTotals(counts);
  const { first } = presentPartitioning(counts).events;
  await exampleLog.extend?.({ firstPartition: 0, partitions: examples });
  await eventLog.extend?.({ firstPartition: first, partitions: events });
}
