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
  readonly rereadBefore: number;
  /** Impressions before this offset are decided; they are read again for labels that come late. */
  readonly openFrom: number;
  /** Positive labels before `rereadBefore`. */
  readonly positives: PositiveCounts | undefined;
  /** Actions that were held before `rereadBefore`. */
  readonly early?: readonly EarlyAction[] | undefined;
}

/** The start of a log that no joiner has read. */
export const BEGINNING: WindowStart = {
  clockMs: 0,
  rereadBefore: 0,
  openFrom: 0,
  positives: undefined,
  wallMs: Infinity,
  endOffset: 0,
};
