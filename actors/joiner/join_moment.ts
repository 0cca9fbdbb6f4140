/**
 * The state of the joiner immediately before it decides the examples of a record or of an
 * impression that closes. A restart that reads again from here decides the same examples in the
 * same order.
 */
import type { JoinerPosition } from "../../records/joiner_position.ts";
import type { EarlyMoment } from "./early_actions.ts";

export interface JoinMoment {
  /** Offset of the record; all records before it are decided. */
  readonly eventOffset: number;
  /** Reading from this offset rebuilds every impression that is open now. */
  readonly replayOffset: number;
  /** The data clock at `replayOffset`, ms. */
  readonly replayClockMs: number;
  /** See {@link JoinerPosition.retained}. */
  readonly retained?: JoinerPosition["retained"];
  /** Positive labels before this moment; absent where none are awaited late. */
  readonly positives?: JoinerPosition["positives"];
  /** See {@link JoinerPosition.early}. */
  readonly early?: EarlyMoment;
  /** All actions accepted up to this time were taken in before this moment, ms. */
  readonly acceptedAtMs: number;
  /**
   * Whether a restart decides the same examples next. False where an impression is closed early for
   * lack of room in the log: its examples must not be split between two chunks.
   */
  readonly repeatable: boolean;
}
