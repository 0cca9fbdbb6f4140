/**
 * The impressions that an ended partitioning leaves to the joiners of the next one.
 *
 * When a partitioning ends, its joiners read their sealed partitions to the end and write a last
 * chunk, without closing any window. A joiner of the next partitioning rebuilds these windows, as a
 * restart would, and holds the impressions whose rankings are its own. They get the offsets below 0
 * in the order in which their windows close. So nothing is handed over by messages: the state is a
 * function of the logs, and the joiner's position says how much of it is still needed.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import {
  isIn,
  numbersOf,
  type PartitionCounts,
  type Partitioning,
  partitioningsOf,
  type PartitionRange,
} from "../../mesh/ports/partitioning.ts";
import {
  decodeEvent,
  type EventRecord,
  partitionOfFingerprint,
} from "../../records/event_record.ts";
import { areRowsOf } from "../../records/impression_rows.ts";
import type { EarlyAction, JoinerPosition, PositiveCounts } from "../../records/joiner_position.ts";
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { BEGINNING, newestChunk } from "./claimed_partition.ts";
import { examplePartitionsOf } from "./example_partitions.ts";
import { joinStartOf } from "./join_start.ts";
import { JoinWindow } from "./join_window.ts";
import type { JoinerOptions } from "./options.ts";
import type { CarriedImpression } from "./row_decisions.ts";

/** Longest wait for the joiners of the partitioning before, and the pause between two looks, ms. */
const [ENDED_WAIT_MS, ENDED_RETRY_MS] = [5_000, 50];

/** The state of a partition that has ended. */
export interface EndedPartition {
  /** Its held impressions, in the order of the log. */
  readonly held: readonly CarriedImpression[];
  /** Actions that wait for their ranking. */
  readonly waiting: readonly EarlyAction[];
  readonly clockMs: number;
  readonly acceptedAtMs: number;
  readonly positives: PositiveCounts | undefined;
}

/** The state that a joiner takes over from the partitioning before its own. */
export interface CarryOver {
  /** The first has the offset `-impressions.length`, the last -1. */
  readonly impressions: readonly CarriedImpression[];
  /** The latest data clock of the ended partitions, ms. */
  readonly clockMs: number;
  /** All actions that were accepted up to this time are in the ended partitions, ms. */
  readonly acceptedAtMs: number;
  readonly early: readonly EarlyAction[];
  readonly positives: PositiveCounts | undefined;
}

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

/** The state that the joiner of a partition takes over from partitions that have ended. */
export function carryOverOf(
  ended: readonly EndedPartition[],
  { first, count }: PartitionRange,
  partition: number,
): CarryOver {
  const isOwn = (fingerprint: Fingerprint) =>
    first + partitionOfFingerprint(fingerprint, count) === partition;
  const impressions = ended.flatMap(({ held }) => held)
    .filter(({ header }) => isOwn(header.fingerprint))
    // Stable, so that impressions of one moment stay in the order of the partitions.
    .sort((a, b) => a.header.openedAtMs - b.header.openedAtMs);
  const early = ended.flatMap(({ waiting }) => waiting)
    .filter(({ rankingId }) => isOwn(fingerprintOf(rankingId)))
    .sort((a, b) => a.acceptedAtMs - b.acceptedAtMs);
  const counts = ended.flatMap(({ positives }) => positives ?? []);
  const share = (of: keyof PositiveCounts) =>
    counts.reduce((sum, each) => sum + each[of], 0) / count;
  return {
    impressions,
    clockMs: Math.max(...ended.map(({ clockMs }) => clockMs)),
    acceptedAtMs: Math.max(...ended.map(({ acceptedAtMs }) => acceptedAtMs)),
    early,
    positives: counts.length > 0 ? { inTime: share("inTime"), late: share("late") } : undefined,
  };
}

/** The state of a window whose partition has ended; the window is not used any more. */
export function endedPartition(window: JoinWindow, acceptedAtMs: number): EndedPartition {
  const { clockMs, waiting } = window;
  const { positives } = window.replayPoint(0);
  return { held: [...window.carried()], waiting, clockMs, acceptedAtMs, positives };
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

/** The position of a joiner that has taken over, before its first chunk. */
export function beginningWith(
  { impressions, clockMs, early, positives }: CarryOver,
): JoinerPosition {
  return {
    eventOffset: 0,
    replayOffset: 0 - impressions.length,
    replayClockMs: clockMs,
    rowsAfter: 0,
    ...(positives && { positives }),
    ...(early.length > 0 && { early }),
  };
}

/** Holds the impressions from an offset on in a window that has read nothing. */
export function holdCarried(
  window: JoinWindow,
  { impressions }: CarryOver,
  fromOffset: number,
): void {
  impressions.forEach((impression, i) => {
    const offset = i - impressions.length;
    if (offset >= fromOffset) window.hold(impression, offset);
  });
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
  const acceptedAtMs = Math.max(...lastChunks.map((each) => each.acceptedAtMs));
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
  if (earlier !== undefined) holdCarried(window, earlier, start.begin.offset);
  await readAgain(window, eventLog, options, { from: Math.max(0, start.begin.offset), endOffset });
  return endedPartition(window, acceptedAtMs);
}

async function readAgain(
  window: JoinWindow,
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
      const record = decoded(bytes, options);
      if (record === undefined) continue;
      window.observe(record, offset);
      while (window.closeNext(record, offset, none));
      window.accept(record, offset, none);
    }
  }
}

/** The record; undefined where the joiner has skipped it. */
function decoded(bytes: Uint8Array, options: JoinerOptions): EventRecord | undefined {
  try {
    const record = decodeEvent(bytes);
    if (record.kind !== "impression" || areRowsOf(options, record.shown)) return record;
  } catch {
    return undefined;
  }
  return undefined;
}
