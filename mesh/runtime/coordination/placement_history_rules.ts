/**
 * The rule by which a change of a placement becomes part of its history.
 */
import type { Placement } from "../../ports/coordination.ts";
import type { LastMove, PlacementHistory } from "../../ports/placement_history.ts";

/** A change that the store makes. */
export interface PlacementStep {
  readonly before: Placement;
  readonly after: Placement;
  readonly nowMs: number;
  /** Why; "" = no reason was given. */
  readonly reason: string;
}

/** The history with a change; undefined where the change adds nothing to it. */
export function historyAfter(
  history: PlacementHistory,
  { before, after, nowMs, reason }: PlacementStep,
): PlacementHistory | undefined {
  if (after.state === "unassigned") return undefined;
  const from = before.state === "unassigned" ? {} : { from: before.owner.host };
  const begun = (to: string): LastMove => ({
    atMs: nowMs,
    ...from,
    to,
    reason,
    outcome: "underway",
  });
  const ended = (outcome: "done" | "aborted"): PlacementHistory => {
    if (history.last?.outcome !== "underway") return history;
    const why = outcome === "aborted" ? { why: reason } : {};
    return { ...history, last: { ...history.last, outcome, endedMs: nowMs, ...why } };
  };
  switch (after.state) {
    case "restoring":
      return { sinceMs: nowMs, last: begun(after.owner.host) };
    case "moving":
      if (before.state !== "moving") return { ...history, last: begun(after.target.host) };
      if (after.phase === before.phase || history.last?.outcome !== "underway") return undefined;
      return { ...history, last: { ...history.last, frozenAtMs: nowMs } };
    case "active":
      if (before.state !== "moving") return ended("done");
      return after.epoch > before.epoch ? { ...ended("done"), sinceMs: nowMs } : ended("aborted");
  }
}
