/**
 * The effects that a change of the number of shards would have, as a function of the mesh's state:
 * the number of shards on each host, the bytes that are read, and the pause of training.
 */
import type { MeshView } from "../ports/coordination.ts";
import { hostViews, shardViews } from "./mesh_views.ts";
import { moveMs } from "./move_time.ts";
import { changesOf } from "./placement_plan.ts";
import { planPlacement } from "./plan_placement.ts";
import type { ShardView } from "./views.ts";

export interface ReshardPlan {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of the snapshot that all new shards together read: a part may hold rows of several. */
  readonly readBytes: number;
  /** Estimated time for which training stands still, ms. */
  readonly pauseMs: number;
  /** Shards of each host that may have shards, before and after. */
  readonly hosts: readonly {
    readonly host: string;
    readonly shardsBefore: number;
    readonly shardsAfter: number;
  }[];
  /** Shards that no host has room for. */
  readonly unplaced: number;
}

/** @param bytesPerSecond Bytes of rows that one host restores a second. */
export function planReshard(view: MeshView, to: number, bytesPerSecond: number): ReshardPlan {
  const before = shardViews(view, "shard");
  const from = before.length;
  const rows = before.reduce((sum, shard) => sum + shard.rows, 0);
  const bytes = before.reduce((sum, shard) => sum + shard.bytes, 0);
  const after = Array.from({ length: to }, (_, shard): ShardView => ({
    shard,
    placement: { kind: "unassigned", epoch: 0 },
    rows: Math.ceil(rows / to),
    bytes: Math.ceil(bytes / to),
  }));
  const options = { spreadMax: Infinity, movesMax: to, balances: false };
  const restores = changesOf(planPlacement(hostViews(view, "shard"), after, options));
  const hosts = hostViews(view, "shard").filter(({ ownsShards }) => ownsShards)
    .map(({ host }) => ({
      host,
      shardsBefore:
        before.filter(({ placement }) =>
          placement.kind !== "unassigned" && placement.owner === host
        ).length,
      shardsAfter: restores.filter((change) => change.to === host).length,
    }))
    .toSorted((a, b) => a.host < b.host ? -1 : 1);
  // Each of both divisions cuts the range of hashes; a cut that both have is one.
  const parts = from + to - greatestDivisor(from, to);
  const readBytes = Math.round(bytes / from * parts);
  const busiest = Math.max(0, ...hosts.map(({ shardsAfter }) => shardsAfter));
  return {
    from,
    to,
    rows,
    bytes,
    readBytes,
    pauseMs: Math.ceil(moveMs(readBytes * busiest / to, bytesPerSecond)),
    hosts,
    unplaced: to - restores.length,
  };
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
