/**
 * The activities of all gateways as one, newest first.
 */
import type { ActivitySeen, EventSeen, RankingSeen, RefusalSeen } from "./activity.ts";
import type { OtherActivity } from "./sources.ts";

/** Entries of each kind, of all gateways together. */
const MERGED_MAX = 100;

/** An entry with the gateway that answered it; empty = the only process. */
type Of<E> = E & { readonly host: string };

export interface MergedActivity {
  readonly rankings: readonly Of<RankingSeen>[];
  readonly events: readonly Of<EventSeen>[];
  readonly refusals: readonly Of<RefusalSeen>[];
}

export function mergeActivities(all: readonly OtherActivity[]): MergedActivity {
  const merge = <E>(
    entriesOf: (activity: ActivitySeen) => readonly E[],
    atMs: (entry: E) => number,
  ) =>
    all.flatMap(({ host, activity }) => entriesOf(activity).map((entry) => ({ ...entry, host })))
      .sort((a, b) => atMs(b) - atMs(a))
      .slice(0, MERGED_MAX);
  return {
    rankings: merge(({ rankings }) => rankings, ({ atMs }) => atMs),
    events: merge(({ events }) => events, ({ acceptedAtMs }) => acceptedAtMs),
    refusals: merge(({ refusals }) => refusals, ({ atMs }) => atMs),
  };
}
