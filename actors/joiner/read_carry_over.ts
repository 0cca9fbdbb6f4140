/**
 * Reads from the logs what a joiner takes over from the partitioning before its own: the windows of
 * the joiners that have ended, rebuilt.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import {
  isIn,
  numbersOf,
  type PartitionCounts,
  type Partitioning,
  partitioningsOf,
} from "../../mesh/ports/partitioning.ts";
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";
import { areRowsOf } from "../../records/impression_rows.ts";
import {
  type CarryOver,
  carryOverOf,
  type EndedPartition,
  endedPartition,
  holdCarried,
} from "./carry_over.ts";
import { BEGINNING, newestChunk } from "./claimed_partition.ts";
import { examplePartitionsOf } from "./example_partitions.ts";
import { joinStartOf } from "./join_start.ts";
import { JoinWindow } from "./join_window.ts";
import { OfferedImpressions } from "./offered_impressions.ts";
import type { JoinerOptions } from "./options.ts";

/** Longest wait for the joiners of the partitioning before, and the pause between two looks, ms. */
const [ENDED_WAIT_MS, ENDED_RETRY_MS] = [5_000, 50];

export interface CarryOverLogs {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
}

/** A joiner of the partitioning before has not written its last chunk. */
export class NotEndedError extends Error {
  override readonly name = "NotEndedError";
  constructor(readonly partition: number) {
    super(
      `The joiner of partition ${partition} of the event log has not read it to its end: the ` +
        "joiners of the next partitioning begin when it has.",
    );
  }
}

/** The partitionings with these counts up to the one of an event partition, oldest first. */
export function partitioningsUpTo(
  counts: readonly PartitionCounts[],
  partition: number,
): Partitioning[] {
  const all = partitioningsOf(counts);
  return all.slice(0, 1 + all.findIndex(({ events }) => isIn(events, partition)));
}

/**
 * Reads what the joiner of `options.partition` takes over; undefined in the first partitioning.
 *
 * @throws {NotEndedError} A joiner of the partitioning before has records to read.
 */
export async function readCarryOver(
  logs: CarryOverLogs,
  options: JoinerOptions,
): Promise<CarryOver | undefined> {
  const partitionings = partitioningsUpTo(options.partitionings ?? [], options.partition);
  const [own, before] = [partitionings.at(-1), partitionings.at(-2)];
  if (own === undefined || before === undefined) return undefined;
  const ended: EndedPartition[] = [];
  for (const partition of numbersOf(before.events)) {
    ended.push(await rebuildWindow(logs, { ...options, partition }, before));
  }
  return carryOverOf(ended, own.events, options.partition);
}

/**
 * {@link readCarryOver}, as soon as the joiners of the partitioning before have ended.
 *
 * @throws {NotEndedError} They have not for {@link ENDED_WAIT_MS}: the joiner is made anew.
 */
export async function awaitCarryOver(
  context: Pick<ActorContext<never>, "clock" | "pause">,
  logs: CarryOverLogs,
  options: JoinerOptions,
): Promise<CarryOver | undefined> {
  const { clock } = context;
  const untilMs = clock.monotonicMs() + ENDED_WAIT_MS;
  for (;;) {
    try {
      return await readCarryOver(logs, options);
    } catch (error) {
      if (!(error instanceof NotEndedError) || clock.monotonicMs() >= untilMs) throw error;
      await context.pause(ENDED_RETRY_MS);
    }
  }
}

/** The window of a joiner that has read its sealed partition to the end. */
async function rebuildWindow(
  logs: CarryOverLogs,
  options: JoinerOptions,
  partitioning: Partitioning,
): Promise<EndedPartition> {
  const { eventLog, exampleLog } = logs;
  const { partition } = options;
  const lastChunks = await Promise.all(
    examplePartitionsOf(partitioning, partition).map(async (each) => {
      const last = await newestChunk(exampleLog, each, await exampleLog.endOffset(each));
      if (last?.ended !== true) throw new NotEndedError(partition);
      return last;
    }),
  );
  const start = joinStartOf(lastChunks.map(({ resume }) => resume ?? BEGINNING));
  const last = {
    acceptedAtMs: Math.max(...lastChunks.map((each) => each.acceptedAtMs)),
    orderedAtMs: Math.max(...lastChunks.map((each) => each.orderedAtMs ?? 0)),
  };
  const endOffset = await eventLog.endOffset(partition);
  const earlier = start.begin.offset < 0 ? await readCarryOver(logs, options) : undefined;
  const window = new JoinWindow(options, {
    clockMs: earlier?.clockMs ?? start.begin.clockMs,
    rereadBefore: endOffset,
    openFrom: start.openFrom,
    positives: start.positives,
    early: start.early,
    // The same at each rebuild, whatever the clock of its host.
    wallMs: Infinity,
    endOffset,
  });
  const offered = new OfferedImpressions();
  if (earlier !== undefined) {
    holdCarried(window, earlier, start.begin.offset);
    for (let offset = start.begin.offset; offset < 0; offset++) {
      offered.add(offset, earlier.openedAtMs[earlier.openedAtMs.length + offset]);
    }
  }
  const range = { from: Math.max(0, start.begin.offset), endOffset };
  await readAgain({ window, offered }, eventLog, options, range);
  return endedPartition(window, last, offered);
}

async function readAgain(
  { window, offered }: { readonly window: JoinWindow; readonly offered: OfferedImpressions },
  eventLog: EventLog,
  options: JoinerOptions,
  { from, endOffset }: { readonly from: number; readonly endOffset: number },
): Promise<void> {
  const none = () => undefined;
  for (let next = from; next < endOffset;) {
    const records = await eventLog.read(options.partition, next, options.recordsPerTurn);
    if (records.length === 0) return;
    for (const { offset, bytes } of records) {
      next = offset + 1;
      const record = decoded(bytes);
      if (record === undefined) continue;
      window.observe(record, offset);
      while (window.closeNext(record, offset, none));
      if (record.kind !== "impression") {
        window.accept(record, offset, none);
        continue;
      }
      // Rankings of other features are not held. They are counted all the same: after a change of
      // the features the others keep their numbers.
      if (areRowsOf(options, record.shown)) window.accept(record, offset, none);
      offered.add(offset, window.clockMs);
    }
  }
}

/** The record; undefined where it cannot be decoded, which the joiner has skipped. */
function decoded(bytes: Uint8Array): EventRecord | undefined {
  try {
    return decodeEvent(bytes);
  } catch {
    return undefined;
  }
}
