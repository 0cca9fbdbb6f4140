/**
 * Which serving hosts hold the replicas of each shard: a function of the hosts, the number of
 * shards and the number of replicas, so that every host knows it without asking.
 *
 * Rendezvous hashing with a bound: all shards get their first holders, then their second ones, and
 * so on, each the host with the shard's largest hash among those that have room. No host holds much
 * more than its even share, and a host that comes or goes moves few of the others' replicas.
 *
 * @see Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
 * Transactions on Networking 6(1), 1998
 */
import { fnv1a } from "../../structures/fnv1a.ts";
import { numbersBelow } from "../../structures/numbers_below.ts";

/** Replicas of each shard: on every serving host, or on so many of them. */
export type ReplicaCount = "all" | number;

/**
 * The holders of each shard, `[shards]`: the number asked for, or all hosts where there are fewer.
 * The holders of a number are the first ones of any larger number, so that hosts whose files say
 * two numbers agree on the first ones.
 *
 * @param hosts Distinct names, in any order.
 */
export function replicaHolders(
  hosts: readonly string[],
  shards: number,
  replicas: ReplicaCount,
): string[][] {
  const all = hosts.toSorted();
  const orders = numbersBelow(shards).map((shard) => byHash(all, `shard ${shard}`));
  const count = replicas === "all" ? all.length : Math.min(replicas, all.length);
  if (count === all.length) return orders.map(() => all);
  const held = new Map(all.map((host) => [host, 0]));
  const heldBy = (host: string) => held.get(host) ?? 0;
  const holders: string[][] = orders.map(() => []);
  for (let replica = 1; replica <= count; replica++) {
    const bound = evenShare(all.length, shards, replica);
    holders.forEach((own, shard) => {
      const others = orders[shard].filter((host) => !own.includes(host));
      const holder = others.find((host) => heldBy(host) < bound) ??
        others.reduce((least, host) => heldBy(host) < heldBy(least) ? host : least);
      held.set(holder, heldBy(holder) + 1);
      own.push(holder);
    });
  }
  return holders;
}

/** A host's even share of the replicas, rounded up; a host may hold one or two more. */
export function evenShare(hosts: number, shards: number, replicas: ReplicaCount): number {
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
