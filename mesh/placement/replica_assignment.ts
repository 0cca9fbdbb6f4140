/**
 * Which serving hosts hold a replica of each shard: by rendezvous hashing, so that a host that
 * comes or goes changes the replicas of few shards.
 *
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.
 */
import { fnv1a } from "../../structures/fnv1a.ts";
import { type HostView, ownerOf, type ShardView } from "./views.ts";

/** The replicas of one shard that come and go. */
export interface ReplicaChange {
  readonly shard: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Why there are fewer than asked for; undefined where there are as many. */
  readonly shortage?: string;
}

/**
 * The hosts that are to serve a shard, on different hosts each; the shard's owner comes last, so
 * that the loss of one host takes the owner or a replica, if there are hosts enough.
 *
 * @param replicasPerShard `"all"` puts every shard on every serving host.
 */
export function replicaHosts(
  hosts: readonly HostView[],
  { shard, placement }: Pick<ShardView, "shard" | "placement">,
  replicasPerShard: number | "all",
): string[] {
  const owner = ownerOf(placement);
  const serving = hosts.filter(({ state, serves }) => state === "up" && serves)
    .map(({ host }) => ({ host, weight: weightOf(shard, host), isOwner: host === owner }))
    .toSorted((a, b) =>
      Number(a.isOwner) - Number(b.isOwner) || b.weight - a.weight || (a.host < b.host ? -1 : 1)
    );
  const count = replicasPerShard === "all" ? serving.length : replicasPerShard;
  return serving.slice(0, count).map(({ host }) => host);
}

/**
 * The changes from the current replicas to those of {@link replicaHosts}; shards without a change
 * or a shortage are left out.
 *
 * @param current Hosts with a replica, by shard.
 */
export function planReplicas(
  hosts: readonly HostView[],
  shards: readonly ShardView[],
  current: ReadonlyMap<number, readonly string[]>,
  replicasPerShard: number | "all",
): ReplicaChange[] {
  return shards.flatMap((view) => {
    const wanted = replicaHosts(hosts, view, replicasPerShard);
    const before = current.get(view.shard) ?? [];
    const added = wanted.filter((host) => !before.includes(host));
    const removed = before.filter((host) => !wanted.includes(host));
    const asked = replicasPerShard === "all" ? 1 : replicasPerShard;
    const shortage = wanted.length < asked
      ? { shortage: `${wanted.length} of ${asked} replicas: add serving hosts` }
      : {};
    if (added.length === 0 && removed.length === 0 && wanted.length >= asked) return [];
    return [{ shard: view.shard, added, removed, ...shortage }];
  });
}

/** A hash of the pair, unsigned, with all bits mixed. */
function weightOf(shard: number, host: string): number {
  let hash = fnv1a(host, fnv1a(`${shard}/`));
  // The finalizer of MurmurHash3: FNV differs little in the high bits of short texts.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
