/**
 * Notes on accepted events of which less is learned than their client may expect, for example by a
 * misspelt action.
 */
import { unloggedNote } from "./unlogged_rankings.ts";
import type { Attribution } from "./unranked_events.ts";
import type { ActionLabels, GatewayParts } from "../parts.ts";
import type { EventRequest } from "../schemas/events.ts";

/** The note on an accepted event; undefined where there is nothing to say. */
export function noteOn(
  { labels, memory }: GatewayParts,
  event: EventRequest,
  attribution: Attribution | undefined,
  { rankingId, atMs, unlogged }: {
    readonly rankingId: string;
    readonly atMs: number;
    /** Whether the log does not have the ranking. */
    readonly unlogged: boolean;
  },
): string | undefined {
  if (unlogged) return unloggedNote;
  return noteOnRules(event, labels) ?? noteOnAttribution(event, attribution) ??
    noteOnLateness(event, labels, atMs, memory.rankings.timeOf(rankingId));
}

/** The note on an event from which nothing will be learned, for example by a misspelt action. */
function noteOnRules(
  { action, value }: EventRequest,
  labels: ActionLabels | undefined,
): string | undefined {
  if (labels === undefined || labels.decides(action, value)) return undefined;
  const known = labels.actions.includes(action);
  const reason = `no label rule ${
    known
      ? `matches "${action}" ${value === undefined ? "without a value" : `of value ${value}`}`
      : `reads the action "${action}"; they read ${labels.actions.join(", ")}`
  }.`;
  return labels.isKept?.(action, value)
    ? `Kept features count it, and the model does not learn its label: ${reason}`
    : `Nothing will be learned from it: ${reason}`;
}

function noteOnAttribution(
  { item, user }: Pick<EventRequest, "item" | "user">,
  attribution: Attribution | undefined,
): string | undefined {
  if (attribution?.kind === "made") {
    if (attribution.isUnlogged) {
      return `The event log does not have the ranking that showed item "${item}" to user ` +
        `"${user}": it is learned from with sampled negatives.`;
    }
    return `No ranking that this gateway knows showed item "${item}" to user "${user}" in time: ` +
      "it is learned from with sampled negatives.";
  }
  if (attribution?.kind !== "none") return undefined;
  return `Nothing will be learned from it: no ranking that this gateway knows showed item ` +
    `"${item}" to user "${user}" in time.`;
}

/** The note on an event that comes after its ranking's examples are decided for good. */
function noteOnLateness(
  { action, value }: EventRequest,
  labels: ActionLabels | undefined,
  atMs: number,
  shownAtMs: number | undefined,
): string | undefined {
  if (labels === undefined || shownAtMs === undefined) return undefined;
  const withinMs = labels.learnedWithinMs(action, value);
  if (atMs - shownAtMs < withinMs) return undefined;
  const [after, within] = [atMs - shownAtMs, withinMs].map(inWords);
  return `Nothing will be learned from it: it came ${after} after its ranking, and "${action}" ` +
    `is learned from within ${within} (joiner.window, joiner.lateLabels).`;
}

/** A duration in the largest unit that it has at least two of. */
export function inWords(ms: number): string {
  const units = [["days", 86_400_000], ["hours", 3_600_000], ["minutes", 60_000]] as const;
  const [unit, unitMs] = units.find(([, unitMs]) => ms >= 2 * unitMs) ?? ["seconds", 1_000];
  return `${Math.round(10 * ms / unitMs) / 10} ${unit}`;
}
