/**
 * Forgets a user in the memory and the console of this gateway.
 */
import type { Activity } from "../console/activity.ts";
import type { GatewayMemory } from "../memory/gateway_memory.ts";

/** @returns How many rankings the memory had. */
export function forgetUser(
  user: string,
  memory: GatewayMemory,
  activity: Activity | undefined,
): number {
  const rankingIds = memory.forget(user);
  activity?.forget(user, rankingIds);
  return rankingIds.length;
}
