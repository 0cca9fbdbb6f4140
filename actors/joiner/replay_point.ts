/**
 * The point of the event log from which a restarted joiner reads again.
 */
import type { HeldImpressions } from "./held_impressions.ts";
import type { JoinMoment } from "./join_moment.ts";

/** The part of a moment that a join window decides. */
export type ReplayPoint = Pick<
  JoinMoment,
  "replayOffset" | "replayClockMs" | "retained" | "positives" | "early"
>;

/** The state of a join window that its replay point depends on. */
export interface WindowState {
  readonly positives: JoinMoment["positives"] | undefined;
  readonly early: JoinMoment["early"] | undefined;
  readonly held: Pick<HeldImpressions, "oldest" | "oldestUndecided">;
  /** The data clock, ms. */
  readonly clockMs: number;
}

/**
 * The offset, and the data clock there, from which reading rebuilds a window: the oldest open
 * impression, or `eventOffset` if none is open. With late labels also `retained`, from which
 * reading rebuilds the decided impressions, and the counts of positive labels. The actions that
 * came before their ranking are `early`: their records may lie before all of it.
 *
 * Every impression before that offset is decided. Reading from it decides all later impressions as
 * the first time: their actions come after it, and the clock starts where it stood. The decided
 * impressions that are missing on the second reading cannot matter: they could only have caused
 * earlier closing, which takes the oldest first, and the impression at the offset was not closed.
 * Actions on them are counted as unmatched instead of late; that is the only difference.
 */
export function replayPointOf(
  eventOffset: number,
  { held, clockMs, positives, early }: WindowState,
): ReplayPoint {
  const { oldestUndecided } = held;
  const replay = oldestUndecided === undefined
    ? { replayOffset: eventOffset, replayClockMs: clockMs }
    : { replayOffset: oldestUndecided.offset, replayClockMs: oldestUndecided.openedAtMs };
  const point = early === undefined ? replay : { ...replay, early };
  if (positives === undefined) return point;
  const { oldest } = held;
  if (oldest === undefined || !oldest.isDecided) return { ...point, positives };
  return { ...point, positives, retained: { offset: oldest.offset, clockMs: oldest.openedAtMs } };
}
