/**
 * The actors that a configuration asks for, and the node (thread) of each.
 *
 *     main        gateway, ranker, joiners, parameter sync, snapshotter, catalogue,
 *                 feature keepers
 *     serving     scorer, serving replicas, retriever; they are in `main` where
 *                 `scoringThread` is so
 *     trainer-0…n one trainer each, which reads every n-th partition of the example log
 *     shards-1…n  embedding shards, dealt round robin
 *
 * With `placement: singleThread` all of them are in `main`. In a mesh of several processes each
 * host has these nodes for its own roles, and their names begin with the host's, as in
 * `tables:shards-1`.
 */
import type { FeatureKeeperOptions } from "../actors/feature_keeper/options.ts";
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ParameterSyncOptions } from "../actors/parameter_sync/options.ts";
import type { RankerOptions } from "../actors/ranker/options.ts";
import type { CatalogueOptions } from "../actors/catalogue/options.ts";
import type { RetrieverOptions } from "../actors/retriever/options.ts";
import type { ScorerOptions } from "../actors/scorer/options.ts";
import type { ServingReplicaOptions } from "../actors/serving_replica/options.ts";
import type { SnapshotterOptions } from "../actors/snapshotter/options.ts";
import type { TrainerOptions } from "../actors/trainer/options.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { StorageSection } from "../configuration/sections/mesh.ts";
import { type Role, roles } from "../configuration/sections/hosts.ts";
import { parsePlacedKey, type PlacedKey } from "../mesh/ports/coordination.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { PlannedActor } from "../mesh/runtime/mesh.ts";
import { present } from "../structures/invariant.ts";

/** The home node of the only process. */
export const homeNode = "main";

/** The name of the home node of a host; undefined = the only process. */
export function homeNodeOf(host: string | undefined): string {
  return nodeName(homeNode, host);
}

/** Addresses. Parts of which each serving host has one take its name; undefined = one process. */
export const addresses = {
  ranker: (host?: string): Address => `ranker/${host ?? 0}`,
  retriever: (host?: string): Address => `retriever/${host ?? 0}`,
  featureKeeper: (shard: number): Address => `feature_keeper/${shard}`,
  catalogue: (host?: string): Address => `catalogue/${host ?? 0}`,
  scorer: (host?: string): Address => `scorer/${host ?? 0}`,
  joiner: (partition: number): Address => `joiner/${partition}`,
  parameterSync: "parameter_sync/0",
  snapshotter: "snapshotter/0",
  trainer: (trainer: number): Address => `trainer/${trainer}`,
  embeddingShard: (shard: number, sharding: number): Address =>
    `embedding_shard/${inSharding(shard, sharding)}`,
  servingReplica: (shard: number, sharding: number, host?: string): Address =>
    `serving_replica/${inSharding(shard, sharding)}${host === undefined ? "" : `@${host}`}`,
} as const;

/**
 * The name of a shard. The shards of each sharding have names of their own: a process that does not
 * know of the newest one reaches none of its shards.
 */
function inSharding(shard: number, sharding: number): string {
  return sharding === 0 ? String(shard) : `${shard}#${sharding}`;
}

/** The number of the shard at an address of {@link addresses}. */
export function shardAt(address: string): number {
  return Number.parseInt(address.slice(address.indexOf("/") + 1), 10);
}

/** The actor that works on a shard or partition that the coordination store has placed. */
export function placedAddress(key: PlacedKey, sharding: number): Address {
  const { kind, number } = parsePlacedKey(key);
  switch (kind) {
    case "shard":
      return addresses.embeddingShard(number, sharding);
    case "events":
      return addresses.joiner(number);
    case "trainer":
      return addresses.trainer(number);
  }
}

/**
 * The feature keepers that run where the store has placed the joiner of a partition of the event
 * log: each follows one joiner to its hosts.
 */
export function keepersWith(
  key: PlacedKey,
  { featureKeeper, partitions }: Pick<CairnConfiguration, "featureKeeper" | "partitions">,
): Address[] {
  const { kind, number } = parsePlacedKey(key);
  if (kind !== "events") return [];
  return count(featureKeeper?.shards ?? 0)
    .filter((keeper) => keeper % partitions.events === number)
    .map(addresses.featureKeeper);
}

/** Kinds of actors that are where the coordination store says, where there is one. */
export const placedKinds: ReadonlySet<string> = new Set([
  "embedding_shard",
  "joiner",
  "feature_keeper",
  "trainer",
]);

/** Whether a coordination store gives shards and partitions to hosts. */
export function hasPlacement({ mesh, storage }: CairnConfiguration): boolean {
  return mesh !== undefined && storage.kind === "directory" && storage.redis !== undefined;
}

/** A node other than the home node: a worker thread, or a simulated one. */
export interface PlannedNode {
  readonly name: string;
  /** Whether it only learns: its thread yields a busy core to the nodes that answer requests. */
  readonly background: boolean;
}

/** One process: the only one, or a host of a mesh. */
export interface PlannedProcess {
  /** Undefined = the only process. */
  readonly host: string | undefined;
  readonly roles: readonly Role[];
}

/** The processes of a configuration. */
export function processesOf({ mesh }: CairnConfiguration): PlannedProcess[] {
  return mesh?.hosts.map(({ name, roles }) => ({ host: name, roles })) ??
    [{ host: undefined, roles }];
}

/**
 * The nodes of a process besides its home node.
 *
 * @param host Undefined = the only process.
 */
export function nodesOf(configuration: CairnConfiguration, host?: string): PlannedNode[] {
  const layout = new Layout(configuration);
  const { home, serving, trainers, shards } = layout.threadsOf(host);
  const nodes = [
    ...serving.map((name) => ({ name, background: false })),
    ...[...trainers, ...shards].map((name) => ({ name, background: true })),
  ];
  return nodes.filter(({ name }) => name !== home);
}

/** The node of each actor. */
class Layout {
  readonly #configuration: CairnConfiguration;
  readonly #processes: readonly PlannedProcess[];

  constructor(configuration: CairnConfiguration) {
    this.#configuration = configuration;
    this.#processes = processesOf(configuration);
  }

  /** The processes with a role. */
  with(role: Role): readonly PlannedProcess[] {
    return this.#processes.filter(({ roles }) => roles.includes(role));
  }

  /** The home node of the only process with the role. */
  home(role: Role): string {
    return homeNodeOf(present(this.with(role)[0], "each role has a host").host);
  }

  serving(host: string | undefined): string {
    const { placement } = this.#configuration;
    const hasThread = placement.kind === "workers" && placement.scoringThread !== "main";
    return hasThread ? nodeName("serving", host) : homeNodeOf(host);
  }

  joiner(partition: number): string {
    const hosts = this.with("joiner");
    return homeNodeOf(hosts[partition % hosts.length].host);
  }

  trainer(trainer: number): string {
    const hosts = this.with("trainer");
    const { host } = hosts[trainer % hosts.length];
    return this.#inWorkers ? nodeName(`trainer-${trainer}`, host) : homeNodeOf(host);
  }

  /** The node of a shard, a joiner or a trainer on a host that was given it. */
  on(host: string, key: PlacedKey, trainerThreads: number): string {
    const { kind, number } = parsePlacedKey(key);
    const { shards, home } = this.threadsOf(host);
    switch (kind) {
      case "shard":
        return shards.length === 0 ? home : shards[number % shards.length];
      case "events":
        return home;
      case "trainer":
        return trainerThreads === 0 ? home : nodeName(`trainer-${number % trainerThreads}`, host);
    }
  }

  shard(shard: number): string {
    const { placement, shardCount } = this.#configuration;
    const hosts = this.with("shards");
    const { host } = hosts[shard % hosts.length];
    if (placement.kind === "singleThread") return homeNodeOf(host);
    const own = Math.floor(shard / hosts.length); // index among the host's shards
    const ownCount = Math.ceil((shardCount - shard % hosts.length) / hosts.length);
    const threads = Math.min(placement.shardThreads, ownCount);
    return nodeName(`shards-${1 + own % threads}`, host);
  }

  /** Names of a process's nodes, by use. */
  threadsOf(host: string | undefined) {
    const { shardCount, trainerCount } = this.#configuration;
    const owned = (names: readonly string[]) =>
      [...new Set(names)].filter((name) =>
        name === homeNodeOf(host) ||
        (host === undefined ? !name.includes(":") : name.startsWith(`${host}:`))
      );
    return {
      home: homeNodeOf(host),
      serving: owned(this.with("serving").map((each) => this.serving(each.host))),
      trainers: hasPlacement(this.#configuration)
        ? this.#sparesOf(host)
        : owned(count(trainerCount).map((trainer) => this.trainer(trainer))),
      shards: hasPlacement(this.#configuration)
        ? this.#shardThreadsOf(host)
        : owned(count(shardCount).map((shard) => this.shard(shard))).sort(byNumber),
    };
  }

  /**
   * Threads of a host that may be given any trainer, of any dealing: as many as its even share of
   * those in the file. More trainers share these threads until the host is restarted.
   */
  #sparesOf(host: string | undefined): string[] {
    const hosts = this.with("trainer");
    if (!this.#inWorkers || !hosts.some((each) => each.host === host)) return [];
    const threads = Math.ceil(this.#configuration.trainerCount / hosts.length);
    return count(threads).map((thread) => nodeName(`trainer-${thread}`, host));
  }

  /** Threads of a host that may be given any shard, of any sharding. */
  #shardThreadsOf(host: string | undefined): string[] {
    const { placement } = this.#configuration;
    const mayHaveShards = this.with("shards").some((each) => each.host === host);
    if (placement.kind === "singleThread" || !mayHaveShards) return [];
    return count(placement.shardThreads).map((thread) => nodeName(`shards-${1 + thread}`, host));
  }

  get #inWorkers(): boolean {
    return this.#configuration.placement.kind === "workers";
  }
}

/** Threads of a host for the trainers that the coordination store gives it. */
export function trainerThreadsOf(configuration: CairnConfiguration, host: string): number {
  return new Layout(configuration).threadsOf(host).trainers.length;
}

/**
 * The node of a shard, a joiner or a trainer on a host of a mesh of several processes that the
 * coordination store has given it to.
 *
 * @param trainerThreads The host's, as it describes itself: its file may have another
 *   `trainer.count` than this one.
 */
export function placedNode(
  configuration: CairnConfiguration,
  host: string,
  key: PlacedKey,
  trainerThreads: number,
): string {
  return new Layout(configuration).on(host, key, trainerThreads);
}

/**
 * The actors in start order. They stop in reverse order, so that readers end before the actors that
 * they read.
 */
export function planOf(configuration: CairnConfiguration): PlannedActor[] {
  const { shardCount, sharding, partitions, trainerCount, dealing, storage } = configuration;
  const layout = new Layout(configuration);
  const shards = count(shardCount);
  const shardAddresses = shards.map((shard) => addresses.embeddingShard(shard, sharding));
  const trainers = count(trainerCount);
  const trainerAddresses = trainers.map(addresses.trainer);
  const serving = layout.with("serving");

  const plan: PlannedActor[] = [];
  const add = <O>(address: Address, node: string, options: O, asksNone = false) => {
    const [kind, key] = address.split("/");
    plan.push({ kind, key, node, options, ...(asksNone && { asksNone }) });
  };
  for (const shard of shards) {
    add<EmbeddingShardOptions>(shardAddresses[shard], layout.shard(shard), {
      ...configuration.embeddingShard,
      shard,
    });
  }
  for (const { host } of serving) {
    for (const shard of shards) {
      const address = addresses.servingReplica(shard, sharding, host);
      const options = {
        ...configuration.servingReplica,
        shard,
        parameterSync: addresses.parameterSync,
      };
      add<ServingReplicaOptions>(address, layout.serving(host), options, true);
    }
  }
  for (const { host } of serving) {
    const options = {
      ...configuration.scorer,
      parameterSync: addresses.parameterSync,
      sharding,
      replicas: shards.map((shard) => [addresses.servingReplica(shard, sharding, host)]),
    };
    add<ScorerOptions>(addresses.scorer(host), layout.serving(host), options, true);
  }
  for (const trainer of trainers) {
    const address = addresses.trainer(trainer);
    const own = partitionsOfTrainer(configuration, trainer);
    add<TrainerOptions>(address, layout.trainer(trainer), {
      ...configuration.trainer,
      trainer,
      name: address,
      dealing: { number: dealing, trainers: trainerAddresses },
      partitions: own,
      joiners: own.map((partition) => addresses.joiner(partition % partitions.events)),
      shards: shardAddresses,
    });
  }
  const { featureKeeper } = configuration;
  const keeperShards = count(featureKeeper?.shards ?? 0);
  const keepers = keeperShards.map(addresses.featureKeeper);
  if (featureKeeper !== undefined) {
    for (const shard of keeperShards) {
      add<FeatureKeeperOptions>(addresses.featureKeeper(shard), layout.home("joiner"), {
        ...featureKeeper,
        shard,
      });
    }
  }
  for (const { host } of serving) {
    const { retriever } = configuration;
    if (retriever !== undefined) {
      const options = { ...retriever, scorer: addresses.scorer(host) };
      add<RetrieverOptions>(addresses.retriever(host), layout.serving(host), options);
    }
    add<RankerOptions>(addresses.ranker(host), homeNodeOf(host), {
      ...configuration.ranker,
      scorer: addresses.scorer(host),
      keepers,
      ...(retriever && { retriever: addresses.retriever(host) }),
    });
    if (retriever !== undefined) {
      const options = { retriever: addresses.retriever(host) };
      add<CatalogueOptions>(addresses.catalogue(host), homeNodeOf(host), options);
    }
  }
  add<ParameterSyncOptions>(addresses.parameterSync, layout.home("sync"), {
    ...configuration.sync,
    sharding,
    shards: shardAddresses,
    replicas: shards.map((shard) =>
      serving.map(({ host }) => addresses.servingReplica(shard, sharding, host))
    ),
    trainers: trainerAddresses,
    scorers: serving.map(({ host }) => addresses.scorer(host)),
  });
  for (const partition of count(partitions.events)) {
    add<JoinerOptions>(addresses.joiner(partition), layout.joiner(partition), {
      ...configuration.joiner,
      partition,
    });
  }
  add<SnapshotterOptions>(addresses.snapshotter, layout.home("sync"), {
    trainers: trainerAddresses,
    dealing,
    shards: shardAddresses,
    ...snapshotsOf(storage),
  });
  return plan;
}

/** The partitions of the example log that a trainer reads, ascending. */
export function partitionsOfTrainer(
  { partitions, trainerCount }: Pick<CairnConfiguration, "partitions" | "trainerCount">,
  trainer: number,
): number[] {
  return count(partitions.examples).filter((partition) => partition % trainerCount === trainer);
}

function nodeName(thread: string, host: string | undefined): string {
  return host === undefined ? thread : `${host}:${thread}`;
}

function count(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

function byNumber(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}

function snapshotsOf(
  storage: StorageSection,
): Omit<SnapshotterOptions, "trainers" | "dealing" | "shards"> {
  if (storage.kind === "memory") {
    const none = { spreadMs: 0, snapshotsRetained: 0, incrementsMax: 0, incrementsShare: 0 };
    return { ...none, intervalMs: 1_000, budgetMs: 1_000 };
  }
  const { interval, spread, retained, budget, increments, incrementsShare } = storage.snapshots;
  return {
    intervalMs: interval,
    spreadMs: Math.min(spread, interval / 2, budget / 2),
    snapshotsRetained: retained,
    incrementsMax: increments,
    incrementsShare,
    budgetMs: budget,
  };
}
