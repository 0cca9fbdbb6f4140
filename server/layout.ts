/**
 * The nodes (threads) of each process, and the node of each actor.
 *
 *     main        gateway, ranker, joiners, parameter sync, snapshotter, catalogue,
 *                 feature keepers
 *     serving     scorer, serving replicas, row feed, retriever; they are in `main`
 *                 where `scoringThread` is so
 *     trainer-0…n one trainer each, which reads every n-th partition of the example log
 *     shards-1…n  embedding shards, dealt round robin
 *
 * With `placement: singleThread` all of them are in `main`. In a mesh of several processes each
 * host has these nodes for its own roles, and their names begin with the host's, as in
 * `tables:shards-1`.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { type Role, roles } from "../configuration/sections/hosts.ts";
import { parsePlacedKey, type PlacedKey } from "../mesh/ports/coordination.ts";
import { present } from "../structures/invariant.ts";
import { numbersBelow } from "../structures/numbers_below.ts";

/** The home node of the only process. */
export const homeNode = "main";

/** The name of the home node of a host; undefined = the only process. */
export function homeNodeOf(host: string | undefined): string {
  return nodeName(homeNode, host);
}

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

/** The hosts that serve; undefined = the only process. */
export function servingHosts(configuration: CairnConfiguration): (string | undefined)[] {
  return processesOf(configuration)
    .filter(({ roles }) => roles.includes("serving"))
    .map(({ host }) => host);
}

/** The hosts of a mesh that serve; none where one process is all there is. */
export function servingHostsOfMesh(configuration: CairnConfiguration): string[] {
  return servingHosts(configuration).filter((host) => host !== undefined);
}

/**
 * The nodes of a process besides its home node.
 *
 * @param host Undefined = the only process.
 * @param trainerThreads The host's, as it describes itself: its file may have another number of
 *   trainers. Undefined = as many as in this configuration.
 */
export function nodesOf(
  configuration: CairnConfiguration,
  host?: string,
  trainerThreads?: number,
): PlannedNode[] {
  const layout = new Layout(configuration);
  const { home, serving, trainers: ownTrainers, shards } = layout.threadsOf(host);
  const trainers = trainerThreads === undefined
    ? ownTrainers
    : numbersBelow(trainerThreads).map((thread) => nodeName(`trainer-${thread}`, host));
  const nodes = [
    ...serving.map((name) => ({ name, background: false })),
    ...[...trainers, ...shards].map((name) => ({ name, background: true })),
  ];
  return nodes.filter(({ name }) => name !== home);
}

/** The node of each actor. */
export class Layout {
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

  /** The home node of the first process with the role. */
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
        : owned(numbersBelow(trainerCount).map((trainer) => this.trainer(trainer))),
      shards: hasPlacement(this.#configuration)
        ? this.#shardThreadsOf(host)
        : owned(numbersBelow(shardCount).map((shard) => this.shard(shard))).sort(byNumber),
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
    return numbersBelow(threads).map((thread) => nodeName(`trainer-${thread}`, host));
  }

  /** Threads of a host that may be given any shard, of any sharding. */
  #shardThreadsOf(host: string | undefined): string[] {
    const { placement } = this.#configuration;
    const mayHaveShards = this.with("shards").some((each) => each.host === host);
    if (placement.kind === "singleThread" || !mayHaveShards) return [];
    return numbersBelow(placement.shardThreads).map((thread) =>
      nodeName(`shards-${1 + thread}`, host)
    );
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

function nodeName(thread: string, host: string | undefined): string {
  return host === undefined ? thread : `${host}:${thread}`;
}

function byNumber(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}
