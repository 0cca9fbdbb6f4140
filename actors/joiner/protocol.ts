/**
 * The messages that a joiner understands.
 */
import type { Request } from "../../mesh/runtime/actor.ts";

/** New records may be readable in the event log. */
export interface EventsAppended {
  readonly kind: "eventsAppended";
}

/** What the joiner holds, and what became of all that it read. */
export interface JoinerStatus {
  readonly impressionsOpen: number;
  /** Closed before their window was over: `impressionsMax` was reached, or the event log was nearly full. */
  readonly impressionsClosedEarly: number;
  /** Rankings that came again under the id of an open one, and took its place. */
  readonly impressionsDuplicate: number;
  readonly examplesEmitted: number;
  /** Negatives that sampling left out. */
  readonly examplesSampledOut: number;
  /** Actions that changed a label or confirmed one. */
  readonly actionsMatched: number;
  /** Actions that match no label rule: known, and without effect. */
  readonly actionsIgnored: number;
  /** Actions whose ranking was never seen or has been forgotten, or whose item was not shown in it. */
  readonly actionsUnmatched: number;
  readonly actionsDuplicate: number;
  /** Actions on an item, or a ranking, that was already decided. */
  readonly actionsLate: number;
  /** Actions over `actionsPerImpressionMax`. */
  readonly actionsExcess: number;
  /** Events whose time lay further ahead of their acceptance than `clockSkewMsMax`. */
  readonly eventsAheadOfTime: number;
  /** Records that could not be decoded; skipped. */
  readonly recordsInvalid: number;
  /** Next event log offset. */
  readonly offset: number;
  /** Newest data time seen, ms. */
  readonly dataClockMs: number;
}

/** Asks for {@link JoinerStatus}. */
export interface GetJoinerStatus extends Request<JoinerStatus> {
  readonly kind: "getStatus";
}

/** All that a joiner understands. */
export type JoinerMessage = EventsAppended | GetJoinerStatus;
