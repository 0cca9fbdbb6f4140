/**
 * The effects that a change of the number of shards, trainers or partitions would have, as a
 * function of the mesh's state: the parts on each host and, for shards, the bytes that are read and
 * the pause of training.
 */
import type { MeshView, PlacedKind } from "../ports/coordination.ts";
import type { PartitionCounts } from "../ports/partitioning.ts";
import { hostViews, shardViews } from "./mesh_views.ts";
import { moveMs } from "./move_time.ts";
import { changesOf } from "./placement_plan.ts";
import { placementWords } from "./placement_words.ts";
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
  const { hosts, unplaced } = givenAnew(view, "shard", after);
  // Each of both divisions cuts the range of hashes; a cut that both have is one.
  const parts = from + to - greatestDivisor(from, to);
  const readBytes = Math.round(bytes / from * parts);
  const busiest = Math.max(0, ...hosts.map(({ after }) => after));
  return {
    from,
    to,
    rows,
    bytes,
    readBytes,
    pauseMs: Math.ceil(moveMs(readBytes * busiest / to, bytesPerSecond)),
    hosts: hosts.map(({ host, before: shardsBefore, after: shardsAfter }) => {
      return { host, shardsBefore, shardsAfter };
    }),
    unplaced,
  };
}

export interface DealingPlan {
  readonly from: number;
  readonly to: number;
  /** Trainers of each host that may have trainers, before and after. */
  readonly hosts: readonly PartsOfHost[];
  /** Trainers that no host can take. */
  readonly unplaced: number;
}

/** The trainers of each host after a change of their number. */
export function planDealing(view: MeshView, to: number): DealingPlan {
  const after = Array.from({ length: to }, (_, shard): ShardView => ({
    shard,
    placement: { kind: "unassigned", epoch: 0 },
    rows: 0,
    bytes: 0,
  }));
  return { from: view.identity.trainers, to, ...givenAnew(view, "trainer", after) };
}

export interface PartitioningPlan {
  readonly from: PartitionCounts;
  readonly to: PartitionCounts;
  /** Joiners of each host that may have joiners, before and after. */
  readonly hosts: readonly PartsOfHost[];
  /** Joiners that no host can take. */
  readonly unplaced: number;
}

/** The joiners of each host after a change of the partitions, when those before have ended. */
export function planPartitioning(view: MeshView, to: PartitionCounts): PartitioningPlan {
  const { eventPartitions: events, examplePartitions: examples } = view.identity;
  const after = Array.from({ length: to.events }, (_, shard): ShardView => ({
    shard,
    placement: { kind: "unassigned", epoch: 0 },
    rows: 0,
    bytes: 0,
  }));
  return { from: { events, examples }, to, ...givenAnew(view, "events", after) };
}

/** Parts of one host, before and after. */
export interface PartsOfHost {
  readonly host: string;
  readonly before: number;
  readonly after: number;
}

/** The hosts that the controller gives all parts of a kind to, where none has an owner. */
function givenAnew(
  view: MeshView,
  kind: PlacedKind,
  parts: readonly ShardView[],
): Pick<DealingPlan, "hosts" | "unplaced"> {
  const options = { spreadMax: Infinity, movesMax: parts.length, balances: false };
  const all = hostViews(view, kind);
  const restores = changesOf(planPlacement(all, parts, options, placementWords[kind]));
  const before = shardViews(view, kind).map(({ placement }) =>
    placement.kind === "unassigned" ? undefined : placement.owner
  );
  const hosts = all.filter(({ ownsShards }) => ownsShards)
    .map(({ host }) => ({
      host,
      before: before.filter((owner) => owner === host).length,
      after: restores.filter((change) => change.to === host).length,
    }))
    .toSorted((a, b) => a.host < b.host ? -1 : 1);
  return { hosts, unplaced: parts.length - restores.length };
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
