/**
 * Which serving hosts hold the replicas of each shard: a function of the hosts, the number of
 * shards and the number of replicas, so that every host knows it without asking.
 *
 * Rendezvous hashing with a bound: a shard's holders are the hosts with its largest hashes, as far
 * as these have room. No host holds more than its even share, rounded up, and a host that comes or
 * goes moves few of the others' replicas.
 *
 * @see Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
 * Transactions on Networking 6(1), 1998
 */
import { fnv1a } from "../../structures/fnv1a.ts";
import { numbersBelow } from "../../structures/numbers_below.ts";

/** Replicas of each shard: on every serving host, or on so many of them. */
export type ReplicaCount = "all" | number;

/**
 * The holders of each shard, `[shards]`: the number asked for, or all hosts where there are fewer,
 * each host at most {@link heldMax} times.
 *
 * @param hosts Distinct names, in any order.
 */
export function replicaHolders(
  hosts: readonly string[],
  shards: number,
  replicas: ReplicaCount,
): string[][] {
  const all = hosts.toSorted();
  const count = replicas === "all" ? all.length : Math.min(replicas, all.length);
  if (count === all.length) return numbersBelow(shards).map(() => all);
  const room = new Map(all.map((host) => [host, heldMax(all.length, shards, replicas)]));
  return numbersBelow(shards).map((shard) => {
    const after = shards - shard - 1;
    // The shards after this one need so much room; a host gives each of them one replica at most.
    let spare = all.reduce((sum, host) => sum + Math.min(after, room.get(host) ?? 0), 0) -
      after * count;
    const holders: string[] = [];
    for (const host of byHash(all, `shard ${shard}`)) {
      const left = room.get(host) ?? 0;
      if (holders.length === count || left === 0) continue;
      if (left <= after && spare-- <= 0) continue;
      holders.push(host);
      room.set(host, left - 1);
    }
    return holders;
  });
}

/** The most shards whose replicas one host holds. */
export function heldMax(hosts: number, shards: number, replicas: ReplicaCount): number {
  if (replicas === "all" || replicas >= hosts) return shards;
  return Math.ceil(shards * replicas / hosts);
}

/**
 * The holders of a shard in the order in which a host asks them: itself, then the others, in an
 * order that differs from asker to asker, so that these spread.
 */
export function inAskingOrder(asker: string, shard: number, holders: readonly string[]): string[] {
  const others = holders.filter((host) => host !== asker);
  return [
    ...holders.filter((host) => host === asker),
    ...byHash(others, `${asker} asks ${shard}`),
  ];
}

/** The hosts by their hashes with a key, the largest first. */
function byHash(hosts: readonly string[], key: string): string[] {
  const weights = new Map(hosts.map((host) => [host, mixed(fnv1a(`${key} ${host}`))]));
  const weightOf = (host: string) => weights.get(host) ?? 0;
  return hosts.toSorted((a, b) => weightOf(b) - weightOf(a) || (a < b ? -1 : 1));
}

/** Spreads the last characters of a text over all bits: the final mix of MurmurHash3. */
function mixed(hash: number): number {
  let bits = hash;
  bits = Math.imul(bits ^ bits >>> 16, 0x85ebca6b);
  bits = Math.imul(bits ^ bits >>> 13, 0xc2b2ae35);
  return (bits ^ bits >>> 16) >>> 0;
}
