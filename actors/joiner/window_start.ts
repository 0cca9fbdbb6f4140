/**
 * The point of the event log at which a join window starts to read, and the decisions before it.
 */
import type { EarlyAction, PositiveCounts } from "../../records/joiner_position.ts";
import type { ClockStart } from "./data_clock.ts";

/** Where a window starts to read. */
export interface WindowStart extends ClockStart {
  /**
   * Records before this offset are read again. Everything that they closed is decided and does not
   * come back, so nothing closes before it, even if a bound has become smaller since.
   */
  readonly decidedBefore: number;
  /** Impressions before this offset are decided; they are read for labels that come late. */
  readonly undecidedFrom: number;
  /** Positive labels before `decidedBefore`. */
  readonly positives: PositiveCounts | undefined;
  /** Actions that were kept before `decidedBefore`. */
  readonly early?: readonly EarlyAction[] | undefined;
}

/** The start of a log that no joiner has read. */
export const BEGINNING: WindowStart = {
  clockMs: 0,
  decidedBefore: 0,
  undecidedFrom: 0,
  positives: undefined,
  wallMs: Infinity,
  endOffset: 0,
};
