/**
 * The state of a mesh, from the coordination store, as the planner sees it.
 */
import {
  type HostRun,
  joinedPartitions,
  type MeshView,
  parsePlacedKey,
  partitionCountsOf,
  type PlacedKey,
  type PlacedKind,
  type Placement,
} from "../ports/coordination.ts";
import { numbersOf, type PartitionRange } from "../ports/partitioning.ts";
import { present } from "../../structures/invariant.ts";
import { reachOf } from "./host_reach.ts";
import type { HostView, ShardPlacement, ShardView } from "./views.ts";

/** The roles of hosts that own the things of each kind. */
export const rolesOf: Readonly<Record<PlacedKind, string>> = {
  shard: "shards",
  events: "joiner",
  trainer: "trainer",
};

export interface PartSize {
  readonly rows: number;
  readonly bytes: number;
}

/** Names of the figures with which a host reports the size of a shard. */
export function sizeFigures(key: PlacedKey): { readonly rows: string; readonly bytes: string } {
  return { rows: `${key}.rows`, bytes: `${key}.bytes` };
}

/**
 * A part that reads a log: a joiner, a trainer, or a feature keeper, which has the host of the
 * joiner that it follows.
 */
export type ReaderKey = PlacedKey | `keeper/${number}`;

/** Name of the figure with which a host reports how many records a reader has not read. */
export function unreadFigure(key: ReaderKey): string {
  return `${key}.unread`;
}

/**
 * The records that a reader has not read, as the owner of a key reports; undefined where it does
 * not know, or is gone.
 */
export function reportedUnread(
  view: MeshView,
  key: PlacedKey,
  reader: ReaderKey,
): number | undefined {
  const owner = livingOwner(view, placementOf(view, key));
  return owner && view.hosts.get(owner.host)?.load[unreadFigure(reader)];
}

/** Whether this run of a host is the one that the mesh has, its lease removed or not. */
export function isLive({ hosts }: Pick<MeshView, "hosts">, run: HostRun): boolean {
  return hosts.get(run.host)?.incarnation === run.incarnation;
}

/**
 * The run that has a part; undefined where it was given to none, or where that run is gone: the
 * placement keeps a lost owner until another host can take the part.
 */
export function livingOwner(
  view: Pick<MeshView, "hosts">,
  placement: Placement,
): HostRun | undefined {
  if (placement.state === "unassigned") return undefined;
  return isLive(view, placement.owner) ? placement.owner : undefined;
}

/** The hosts that own parts of a kind, and those that serve. */
export function hostViews(view: MeshView, kind: PlacedKind): HostView[] {
  return [...view.hosts.values()].map((record) => {
    const { host, state, roles, capacityBytes, expiresMs } = record;
    return {
      host,
      state: expiresMs <= view.nowMs ? "silent" : state,
      ownsShards: roles.includes(rolesOf[kind]),
      capacityBytes: kind === "shard" ? capacityBytes : Number.MAX_SAFE_INTEGER,
      ...reachOf(view, kind, record),
    };
  });
}

/** The numbers of the mesh's shards, joined partitions of the event log, or trainers. */
export function rangeOf({ identity }: MeshView, kind: PlacedKind): PartitionRange {
  switch (kind) {
    case "shard":
      return { first: 0, count: identity.shards };
    case "events":
      return joinedPartitions(partitionCountsOf(identity));
    case "trainer":
      return { first: 0, count: identity.trainers };
  }
}

/** The placement of one thing. */
export function placementOf(view: MeshView, key: PlacedKey): Placement {
  return present(view.placements.get(key), "the store has the placement of every key");
}

/**
 * Every shard, or partition, of the mesh. A new owner reports the size of a shard a moment after it
 * has taken it: until then the size is the mean of the known ones, so that a full host does not
 * look empty.
 *
 * @param sizes The last known sizes; those that the owners report now come first.
 */
export function shardViews(
  view: MeshView,
  kind: PlacedKind,
  sizes: ReadonlyMap<PlacedKey, PartSize> = new Map(),
): ShardView[] {
  const keys = numbersOf(rangeOf(view, kind)).map((shard): PlacedKey => `${kind}/${shard}`);
  const known = keys.map((key) => reportedSize(view, key) ?? sizes.get(key));
  const mean = meanSize(known.filter((size) => size !== undefined));
  return keys.map((key, i) => ({
    shard: parsePlacedKey(key).number,
    placement: placementView(view, placementOf(view, key)),
    ...(known[i] ?? mean),
  }));
}

function meanSize(sizes: readonly PartSize[]): PartSize {
  const mean = (of: keyof PartSize) =>
    Math.ceil(sizes.reduce((sum, size) => sum + size[of], 0) / Math.max(1, sizes.length));
  return { rows: mean("rows"), bytes: mean("bytes") };
}

/** The size that the owner reports; undefined where it reports none, or is gone. */
export function reportedSize(view: MeshView, key: PlacedKey): PartSize | undefined {
  const owner = livingOwner(view, placementOf(view, key));
  if (owner === undefined) return undefined;
  const { load } = present(view.hosts.get(owner.host), "a live host is known");
  const figures = sizeFigures(key);
  if (load[figures.bytes] === undefined) return undefined;
  return { rows: load[figures.rows] ?? 0, bytes: load[figures.bytes] };
}

/**
 * The name under which the planner knows a run: the host's, or a name that no host has where this
 * run has ended.
 */
export function nameOf(view: MeshView, run: HostRun): string {
  const isReplaced = view.hosts.has(run.host) && !isLive(view, run);
  return isReplaced ? `an earlier run of ${run.host}` : run.host;
}

function placementView(view: MeshView, placement: Placement): ShardPlacement {
  const { epoch } = placement;
  switch (placement.state) {
    case "unassigned":
      return { kind: "unassigned", epoch };
    case "restoring":
    case "active":
      return { kind: placement.state, epoch, owner: nameOf(view, placement.owner) };
    case "moving": {
      const owner = nameOf(view, placement.owner);
      // Its copy cannot be completed.
      if (!isLive(view, placement.owner)) return { kind: "active", epoch, owner };
      return { kind: "moving", epoch, owner, target: nameOf(view, placement.target) };
    }
  }
}
