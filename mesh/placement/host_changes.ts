/**
 * The shards and bytes of each host before and after a plan.
 */
import { present } from "../../structures/invariant.ts";
import type { HostChange, ShardDecision } from "./placement_plan.ts";
import type { HostView, ShardView } from "./views.ts";

/**
 * The hosts that own shards, or give some away, by name.
 *
 * @param decisions About all of `shards`.
 */
export function hostChanges(
  hosts: readonly HostView[],
  shards: readonly ShardView[],
  decisions: readonly ShardDecision[],
): HostChange[] {
  const bytesOf = new Map(shards.map(({ shard, bytes }) => [shard, bytes]));
  const sum = (host: string, on: (decision: ShardDecision) => string | undefined) => {
    const held = decisions.filter((decision) => on(decision) === host);
    const bytes = held.map(({ shard }) =>
      present(bytesOf.get(shard), "decisions are about the shards of the input")
    );
    return { shards: held.length, bytes: bytes.reduce((total, each) => total + each, 0) };
  };
  return hosts
    .filter(({ host, ownsShards }) =>
      ownsShards || decisions.some((decision) => hostBefore(decision) === host)
    )
    .toSorted((a, b) => a.host < b.host ? -1 : 1)
    .map(({ host, state, capacityBytes, unreachedBy }) => {
      const before = sum(host, hostBefore);
      const after = sum(host, hostAfter);
      return {
        host,
        state,
        capacityBytes,
        unreachedBy,
        shardsBefore: before.shards,
        shardsAfter: after.shards,
        bytesBefore: before.bytes,
        bytesAfter: after.bytes,
      };
    });
}

function hostBefore(decision: ShardDecision): string | undefined {
  return decision.kind === "stays" ? decision.on : decision.from;
}

function hostAfter(decision: ShardDecision): string | undefined {
  switch (decision.kind) {
    case "stays":
      return decision.on;
    case "unplaced":
      return decision.from;
    case "moves":
    case "waits":
    case "restores":
    case "underway":
      return decision.to;
  }
}
