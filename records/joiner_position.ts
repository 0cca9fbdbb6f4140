/**
 * Where a joiner goes on after a restart; stored with each chunk of examples that it wrote.
 */

/** The joiner's memory is a function of the event log, so a position in it is all that a restart needs. */
export interface JoinerPosition {
  /** Examples decided by records before this offset are in the example log. */
  readonly eventOffset: number;
  /** Reading again from here rebuilds every impression that was open. */
  readonly replayOffset: number;
  /** The data clock at `replayOffset`, ms. */
  readonly replayClockMs: number;
}
