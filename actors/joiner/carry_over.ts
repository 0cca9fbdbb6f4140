/**
 * The impressions that an ended partitioning leaves to the joiners of the next one.
 *
 * When a partitioning ends, its joiners read their sealed partitions to the end and write a last
 * chunk, without closing any window. A joiner of the next partitioning rebuilds these windows, as a
 * restart would, and holds the impressions whose rankings are its own. They get offsets below 0 in
 * the order in which their windows close. So nothing is handed over by messages: the state is a
 * function of the logs, and the joiner's position says how much of it is still needed.
 *
 * The offsets count all impressions that the rebuilt windows have read, from the last one back. So
 * a position means the same after a change of the label rules or of `joiner.lateLabels`, which
 * decides how many of them a rebuilt window still holds.
 */
import { ACCEPTANCE_STEP_MS } from "../../mesh/ports/event_log.ts";
import type { PartitionRange } from "../../mesh/ports/partitioning.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { EarlyAction, JoinerPosition, PositiveCounts } from "../../records/joiner_position.ts";
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import type { JoinWindow } from "./join_window.ts";
import { numberAmong, OfferedImpressions } from "./offered_impressions.ts";
import type { CarriedImpression } from "./row_decisions.ts";

/** The state of a partition that has ended. */
export interface EndedPartition {
  /** Its held impressions, in the order of the log. */
  readonly held: readonly CarriedImpression[];
  /** All impressions that its window has read. */
  readonly offered: OfferedImpressions;
  /** Actions that wait for their ranking. */
  readonly waiting: readonly EarlyAction[];
  readonly clockMs: number;
  readonly acceptedAtMs: number;
  /** The highest order of its example partitions, ms: that of a last chunk. */
  readonly orderedAtMs: number;
  readonly positives: PositiveCounts | undefined;
}

/** The state that a joiner takes over from the partitioning before its own. */
export interface CarryOver {
  /** Held impressions of the joiner's rankings, with ascending offsets below 0. */
  readonly impressions: readonly CarriedImpression[];
  /**
   * The data clock at each impression of the ended partitions, held or not, ms, ascending. The
   * first has the offset `-openedAtMs.length`, the last -1.
   */
  readonly openedAtMs: Float64Array;
  /** The latest data clock of the ended partitions, ms. */
  readonly clockMs: number;
  /**
   * All actions that were accepted up to this time are in the ended partitions, ms. It lies above
   * every acceptance mark of theirs: one that is served claims nothing that this joiner decides.
   */
  readonly acceptedAtMs: number;
  /**
   * The highest order of the ended partitions, ms. The joiner's own chunks come behind it, whatever
   * the clock of its host.
   */
  readonly orderedAtMs: number;
  readonly early: readonly EarlyAction[];
  readonly positives: PositiveCounts | undefined;
}

/** The state that the joiner of a partition takes over from partitions that have ended. */
export function carryOverOf(
  ended: readonly EndedPartition[],
  { first, count }: PartitionRange,
  partition: number,
): CarryOver {
  const isOwn = (fingerprint: Fingerprint) =>
    first + partitionOfFingerprint(fingerprint, count) === partition;
  const offered = ended.map((each) => each.offered);
  const openedAtMs = Float64Array.from(offered.flatMap((each) => each.openedAtMs)).sort();
  const impressions = ended.flatMap(({ held }, i) =>
    held.filter(({ header }) => isOwn(header.fingerprint)).map(({ header, ...impression }) => {
      const offset = numberAmong(offered, i, header) - openedAtMs.length;
      return { ...impression, header: { ...header, offset } };
    })
  ).sort((a, b) => a.header.offset - b.header.offset);
  const early = ended.flatMap(({ waiting }) => waiting)
    .filter(({ rankingId }) => isOwn(fingerprintOf(rankingId)))
    .sort((a, b) => a.acceptedAtMs - b.acceptedAtMs);
  const counts = ended.flatMap(({ positives }) => positives ?? []);
  const share = (of: keyof PositiveCounts) =>
    counts.reduce((sum, each) => sum + each[of], 0) / count;
  return {
    impressions,
    openedAtMs,
    clockMs: Math.max(...ended.map(({ clockMs }) => clockMs)),
    // Below the times of records in the new partitions, also where the ended ones have none.
    acceptedAtMs: Math.max(...ended.map((each) => each.acceptedAtMs)) + ACCEPTANCE_STEP_MS / 4,
    orderedAtMs: Math.max(...ended.map(({ orderedAtMs }) => orderedAtMs)),
    early,
    positives: counts.length > 0 ? { inTime: share("inTime"), late: share("late") } : undefined,
  };
}

/**
 * The state of a window whose partition has ended; the window is not used any more.
 *
 * @param last The last chunk of the partition, by its acceptance mark and order.
 * @param offered All impressions that it has read; default: those that it holds.
 */
export function endedPartition(
  window: JoinWindow,
  { acceptedAtMs, orderedAtMs }: Pick<EndedPartition, "acceptedAtMs" | "orderedAtMs">,
  offered?: OfferedImpressions,
): EndedPartition {
  const { clockMs, waiting } = window;
  const { positives } = window.replayPoint(0);
  const held = [...window.carried()];
  return {
    held,
    offered: offered ?? offeredOf(held),
    waiting,
    clockMs,
    acceptedAtMs,
    orderedAtMs,
    positives,
  };
}

function offeredOf(held: readonly CarriedImpression[]): OfferedImpressions {
  const offered = new OfferedImpressions();
  for (const { header } of held) offered.add(header.offset, header.openedAtMs);
  return offered;
}

/** The position of a joiner that has taken over, before its first chunk. */
export function beginningWith(
  { impressions, clockMs, early, positives }: CarryOver,
): JoinerPosition {
  return {
    eventOffset: 0,
    replayOffset: impressions[0]?.header.offset ?? 0,
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
  for (const impression of impressions) {
    if (impression.header.offset >= fromOffset) window.hold(impression);
  }
}
