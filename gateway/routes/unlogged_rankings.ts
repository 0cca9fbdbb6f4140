/**
 * Rankings that were answered while the event log's server was away. The joiner does not find them,
 * so nothing is learned from them or from events on them.
 */
import { UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import type { GatewayParts } from "../parts.ts";

/** Whether the log did not take a ranking, as far as this gateway and the others remember it. */
export function isUnlogged(
  rankingId: string,
  { memory, sharedRankings }: Pick<GatewayParts, "memory" | "sharedRankings">,
): boolean {
  const here = memory.rankings.check(rankingId, UNLOGGED_ITEM);
  if (here !== "unknown-ranking") return here === "shown";
  return sharedRankings?.check(rankingId, UNLOGGED_ITEM) === "shown";
}

/** The reason in a note on an event or a report. */
export const unloggedReason =
  "the event log does not have its ranking, because its server was away when the ranking was answered.";
