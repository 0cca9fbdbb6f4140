/**
 * The serving replicas of a configuration: which host holds which, and which of them a host asks.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { evenShare, inAskingOrder, replicaHolders } from "../mesh/placement/replica_holders.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { addresses } from "./addresses.ts";
import { servingHosts } from "./layout.ts";

/** Stands for the only process among the names of hosts. */
const ONLY = "";

/** Limit of the serving tables of a serving host with its even share of them, bytes. */
export function servingBytesOf(configuration: CairnConfiguration): number {
  const { shardCount, servingReplicas, servingReplica } = configuration;
  return evenShare(servingHostNames(configuration).length, shardCount, servingReplicas) *
    servingReplica.bytesMax;
}

/** The names of the serving hosts; `""` for the only process. */
export function servingHostNames(configuration: CairnConfiguration): string[] {
  return servingHosts(configuration).map((host) => host ?? ONLY);
}

export class ServingReplicas {
  readonly #sharding: number;
  /** Every host holds all replicas, and no lookup leaves it. */
  readonly #areLocal: boolean;
  /** By shard. */
  readonly #holders: readonly (readonly string[])[];

  constructor(configuration: CairnConfiguration) {
    const { shardCount, sharding, servingReplicas } = configuration;
    this.#sharding = sharding;
    this.#areLocal = servingReplicas === "all";
    this.#holders = replicaHolders(
      servingHostNames(configuration),
      shardCount,
      servingReplicas,
    );
  }

  /**
   * The replicas that a host holds, in the order of their shards.
   *
   * @param host Undefined = the only process.
   */
  heldBy(host = ONLY): { readonly shard: number; readonly replica: Address }[] {
    return this.#holders.flatMap((holders, shard) =>
      holders.includes(host) ? [{ shard, replica: this.#addressOf(shard, host) }] : []
    );
  }

  /**
   * The replicas that the scorer of a host asks, by shard, in the order in which it does.
   *
   * @param host Undefined = the only process.
   */
  askedBy(host = ONLY): Address[][] {
    return this.#holders.map((holders, shard) => {
      const asked = this.#areLocal ? [host] : inAskingOrder(host, shard, holders);
      return asked.map((each) => this.#addressOf(shard, each));
    });
  }

  #addressOf(shard: number, host: string): Address {
    return addresses.servingReplica(shard, this.#sharding, host === ONLY ? undefined : host);
  }
}
