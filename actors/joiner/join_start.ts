/**
 * Where a joiner begins to read, from the positions in its partitions of the example log: they may
 * differ, since a crash may come between the appends to two of them.
 */
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { beginOf } from "./claimed_partition.ts";

export interface JoinStart {
  /** Where it begins to read. */
  readonly begin: NonNullable<JoinerPosition["retained"]>;
  /** Impressions before this offset were decided by records before {@link decidedInAllBefore}. */
  readonly openFrom: number;
  /** Positive labels before {@link decidedInAllBefore}. */
  readonly positives: JoinerPosition["positives"];
  /** Actions that were held before {@link decidedInAllBefore}. */
  readonly early: JoinerPosition["early"];
  /** Records before this offset were decided in all partitions. */
  readonly decidedInAllBefore: number;
  /** Records before this offset were decided in at least one partition. */
  readonly decidedInAnyBefore: number;
  /** Whether the newest chunk of a partition ended in the middle of a moment's examples. */
  readonly isSplit: boolean;
}

export function joinStartOf(positions: readonly JoinerPosition[]): JoinStart {
  const hindmost = positions.reduce((a, b) => isBehind(b, a) ? b : a);
  return {
    begin: positions.map(beginOf).reduce((a, b) => b.offset < a.offset ? b : a),
    openFrom: openOffsetOf(hindmost),
    positives: hindmost.positives,
    early: hindmost.early,
    decidedInAllBefore: hindmost.eventOffset,
    decidedInAnyBefore: Math.max(...positions.map(({ eventOffset }) => eventOffset)),
    isSplit: positions.some(({ rowsAfter }) => rowsAfter > 0),
  };
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
