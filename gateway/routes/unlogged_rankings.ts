/**
 * Rankings that were answered while the event log's server was away, slow or full. The joiner does
 * not find them, so nothing is learned from them or from events on them, unless the log takes them
 * later.
 */
import { LOGGED_LATE_ITEM, UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import type { GatewayParts } from "../parts.ts";

/** Whether the log did not take a ranking, as far as this gateway and the others remember it. */
export function isUnlogged(
  rankingId: string,
  { memory, sharedRankings }: Pick<GatewayParts, "memory" | "sharedRankings">,
): boolean {
  const here = memory.rankings.check(rankingId, UNLOGGED_ITEM);
  if (here === "shown") return sharedRankings?.check(rankingId, LOGGED_LATE_ITEM) !== "shown";
  return here === "unknown-ranking" && sharedRankings?.check(rankingId, UNLOGGED_ITEM) === "shown";
}

/**
 * Whether the other gateways may know more of a ranking: this one does not know it, or knows it as
 * one that the log did not take.
 */
export function mayBeShared(rankingId: string, { memory }: Pick<GatewayParts, "memory">): boolean {
  return memory.rankings.check(rankingId, UNLOGGED_ITEM) !== "item-not-shown";
}

/**
 * Whether this gateway knows from another one alone that the log has a ranking: a failover may have
 * lost it since, and only the other one can append it again.
 */
export function isLoggedByOther(
  rankingId: string,
  { memory, sharedRankings }: Pick<GatewayParts, "memory" | "sharedRankings">,
): boolean {
  if (sharedRankings === undefined || memory.rankings.has(rankingId)) return false;
  return sharedRankings.check(rankingId, UNLOGGED_ITEM) === "item-not-shown";
}

/** The reason in a note on a report. */
export const unloggedReason =
  "the event log does not have its ranking, because its server was away, slow or full when the ranking was answered.";

/** The note on an event. */
export const unloggedNote = `Nothing will be learned from it: ${unloggedReason}`;
