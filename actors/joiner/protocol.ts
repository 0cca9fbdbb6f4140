/**
 * The messages that a joiner understands.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";

/** New records may be readable in the event log. The joiner sends it to itself. */
export interface EventsAppended {
  readonly kind: "eventsAppended";
}

/**
 * The joiner's state, and counts since its start. Records that it reads again after a restart are
 * not counted again.
 */
export interface JoinerStatus {
  readonly impressionsOpen: number;
  /** Closed when their window was over, with rows that no action had decided. */
  readonly impressionsClosed: number;
  /** Closed before their window ended: a bound was reached, or the event log was nearly full. */
  readonly impressionsClosedEarly: number;
  /** Rankings that replaced a held one of the same id. */
  readonly impressionsDuplicate: number;
  /** Held rankings that were dropped because their user was erased. */
  readonly impressionsErased: number;
  readonly examplesEmitted: number;
  /** Emitted examples that are not in the example log yet: their chunk is not full, or waits. */
  readonly examplesWaiting: number;
  /** Negatives that sampling dropped. */
  readonly examplesSampledOut: number;
  /** Examples dropped because the example log took none while the event log was nearly full. */
  readonly examplesDropped: number;
  /** Actions that changed a label or confirmed one. */
  readonly actionsMatched: number;
  /** Actions that match no label rule. */
  readonly actionsIgnored: number;
  /** Actions on an unknown ranking, or on an item that the ranking did not show. */
  readonly actionsUnmatched: number;
  /**
   * Actions that came before their ranking and were judged when it came; they were counted as
   * unmatched before.
   */
  readonly actionsEarly: number;
  /**
   * Actions that came before their ranking and were let go before it came: nothing is learned from
   * them, and their items may be taken as negatives.
   */
  readonly actionsMissed: number;
  readonly actionsDuplicate: number;
  /** Actions on an item or a ranking that was already decided, from which nothing is learned. */
  readonly actionsLate: number;
  /** Positive actions on a decided item that were learned from as late labels. */
  readonly actionsLearnedLate: number;
  /** Reports of shown items that were taken in. */
  readonly reportsMatched: number;
  /** Reports on a ranking that was already decided, which change nothing. */
  readonly reportsLate: number;
  /** Reports on an unknown ranking. */
  readonly reportsUnmatched: number;
  /** Rows that no report and no action named, and that therefore gave no example. */
  readonly rowsNotShown: number;
  /** Decided rankings that are retained for late labels. */
  readonly impressionsDecided: number;
  /** Actions beyond `actionsPerImpressionMax`. */
  readonly actionsExcess: number;
  /** Events whose time was more than `clockSkewMsMax` after their acceptance. */
  readonly eventsAheadOfTime: number;
  /** Records that could not be decoded and were skipped. */
  readonly recordsInvalid: number;
  /** Next offset in the event log. */
  readonly offset: number;
  /** Records of its partition that it has not read; undefined while the log's end is unknown. */
  readonly recordsUnread: number | undefined;
  /** Newest data time seen, ms. */
  readonly dataClockMs: number;
  /** The reason why examples do not reach the trainers; undefined while they do. */
  readonly warning: string | undefined;
}

/** Asks for {@link JoinerStatus}. */
export interface GetJoinerStatus extends Request<JoinerStatus> {
  readonly kind: "getStatus";
}

/**
 * Has a partition of the example log reach an order: a trainer of several partitions has a chunk of
 * another one that it may take only when no earlier chunk can come here. Has no effect where the
 * partition has chunks that the trainer has not read, or rows on the way.
 */
export interface Reach {
  readonly kind: "reach";
  /** A partition of the example log. */
  readonly partition: number;
  /** The trainer has read all chunks before it. */
  readonly offset: number;
  /** See {@link ExampleChunk.orderedAtMs}. */
  readonly orderedAtMs: number;
}

/**
 * Tells that a trainer has taken all chunks of a partition that it has read. Until then the joiner
 * gathers rows in one chunk, see {@link ExamplePartition}. A message that is lost delays a chunk.
 */
export interface ChunksTaken {
  readonly kind: "chunksTaken";
  /** A partition of the example log. */
  readonly partition: number;
  /** The trainer has taken all chunks before it. */
  readonly offset: number;
}

/** All that a joiner understands. */
export type JoinerMessage = EventsAppended | GetJoinerStatus | SetLeased | Reach | ChunksTaken;
