/**
 * How far the drain of a host is: what leaves it, what is still on its way to it, and what no other
 * host can take.
 */
import { type MeshView, parsePlacedKey, type PlacedKey } from "../ports/coordination.ts";
import { planKind } from "./mesh_plan.ts";
import { rolesOf, shardViews } from "./mesh_views.ts";
import type { ShardDecision } from "./placement_plan.ts";
import { ownerOf } from "./views.ts";

export interface DrainProgress {
  /** Shards of the host. */
  readonly shards: readonly PlacedKey[];
  /** Shards that are copied to it; they arrive unless the controller ends the copies in time. */
  readonly arriving: readonly PlacedKey[];
  /** Its joiners and trainers. */
  readonly readers: readonly PlacedKey[];
  /** Its shards that no other host can take. */
  readonly stuckShards: readonly Extract<ShardDecision, { kind: "unplaced" }>[];
  /** Its joiners and trainers that no other host can take, with the role that one needs. */
  readonly stuckReaders: readonly { readonly key: PlacedKey; readonly role: string }[];
  /**
   * Whether all that can leave it has left. The store gives nothing more to a host that drains, so
   * that stays so.
   */
  readonly isOver: boolean;
}

export function drainProgress(view: MeshView, host: string): DrainProgress {
  const shards = shardViews(view, "shard").filter(({ placement }) => ownerOf(placement) === host)
    .map(({ shard }) => `shard/${shard}` as const);
  const arriving = [...view.placements].filter(([, placement]) =>
    placement.state === "moving" && placement.target.host === host
  ).map(([key]) => key);
  const readers = readersOn(view, host);
  const stuckShards = planKind(view, "shard", Infinity).shards.flatMap((each) =>
    each.kind === "unplaced" && each.from === host ? [each] : []
  );
  const stuckReaders = readers.map((key) => ({ key, role: rolesOf[parsePlacedKey(key).kind] }))
    .filter(({ role }) => !isElsewhere(view, role, host));
  const leaving = shards.length + readers.length - stuckShards.length - stuckReaders.length;
  return {
    ...{ shards, arriving, readers, stuckShards, stuckReaders },
    isOver: leaving + arriving.length === 0,
  };
}

/** The joiners and trainers of a host. */
export function readersOn(view: MeshView, host: string): PlacedKey[] {
  return [...view.placements].filter(([key, placement]) =>
    !key.startsWith("shard/") && placement.state !== "unassigned" && placement.owner.host === host
  ).map(([key]) => key);
}

/** Whether another host that is up has a role. */
function isElsewhere({ hosts, nowMs }: MeshView, role: string, host: string): boolean {
  return [...hosts.values()].some((each) =>
    each.host !== host && each.state === "up" && each.expiresMs > nowMs && each.roles.includes(role)
  );
}
