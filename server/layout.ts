/**
 * The nodes (threads) of each process, and the node of each actor.
 *
 *     main        gateway, ranker, joiners, parameter sync, snapshotter, catalogue,
 *                 feature keepers
 *     serving     scorer, serving replicas, row feed, retriever; they are in `main`
 *                 where `scoringThread` is so
 *     trainer-0…n trainers, dealt round robin, each with every n-th partition of the example log
 *     shards-1…n  embedding shards, dealt round robin
 *
 * With `placement: singleThread` all of them are in `main`. In a mesh of several processes each
 * host has these nodes for its own roles, and their names begin with the host's, as in
 * `tables:shards-1`. The files of two hosts may say other threads where a coordination store is
 * underneath: a host is known by the threads that it tells there.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { type Role, roles } from "../configuration/sections/hosts.ts";
import { type HostThreads, parsePlacedKey, type PlacedKey } from "../mesh/ports/coordination.ts";
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

/** Threads of a host whose parts are all in its home thread. */
const noThreads: HostThreads = { serving: 0, trainers: 0, shards: 0 };

/** Names of the nodes besides the home node, by the use of their threads. */
const threadNames: Readonly<Record<keyof HostThreads, (thread: number) => string>> = {
  serving: () => "serving",
  trainers: (thread) => `trainer-${thread}`,
  shards: (thread) => `shards-${1 + thread}`,
};

/**
 * The threads that a process has by its configuration: for trainers as many as its even share of
 * them, rounded up, and for shards at most that many. Where a coordination store gives it shards,
 * these may be any, so that it has all `shardThreads`.
 *
 * @param host Undefined = the only process.
 */
export function threadsOf(configuration: CairnConfiguration, host?: string): HostThreads {
  const { placement, shardCount, trainerCount } = configuration;
  if (placement.kind === "singleThread") return noThreads;
  const hostsWith = (role: Role) =>
    processesOf(configuration).filter(({ roles }) => roles.includes(role));
  const shareOf = (role: Role, parts: number) => {
    const hosts = hostsWith(role);
    const own = hosts.findIndex((each) => each.host === host);
    if (own < 0) return 0;
    // Parts are dealt in turn, unless a coordination store gives them: then any host may have more.
    const turn = hasPlacement(configuration) ? 0 : own;
    return Math.ceil(Math.max(0, parts - turn) / hosts.length);
  };
  const serves = hostsWith("serving").some((each) => each.host === host);
  const shards = shareOf("shards", shardCount);
  const givenShards = shards > 0 && hasPlacement(configuration) ? Infinity : shards;
  return {
    serving: serves && placement.scoringThread !== "main" ? 1 : 0,
    trainers: shareOf("trainer", trainerCount),
    shards: Math.min(placement.shardThreads, givenShards),
  };
}

/**
 * The nodes of a process besides its home node.
 *
 * @param host Undefined = the only process.
 */
export function nodesOf(
  configuration: CairnConfiguration,
  host?: string,
  threads: HostThreads = threadsOf(configuration, host),
): PlannedNode[] {
  return (["serving", "trainers", "shards"] as const).flatMap((use) =>
    numbersBelow(threads[use]).map((thread) => ({
      name: nodeName(threadNames[use](thread), host),
      background: use !== "serving",
    }))
  );
}

/** The node of each actor. */
export class Layout {
  readonly #configuration: CairnConfiguration;
  readonly #processes: readonly PlannedProcess[];
  readonly #told: ReadonlyMap<string, HostThreads>;

  /** @param told Threads by host, of those that have told them; others have those of this file. */
  constructor(configuration: CairnConfiguration, told: ReadonlyMap<string, HostThreads>) {
    this.#configuration = configuration;
    this.#processes = processesOf(configuration);
    this.#told = told;
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
    return this.#threadOf("serving", host, 0);
  }

  joiner(partition: number): string {
    const hosts = this.with("joiner");
    return homeNodeOf(hosts[partition % hosts.length].host);
  }

  trainer(trainer: number): string {
    const hosts = this.with("trainer");
    const index = Math.floor(trainer / hosts.length); // among the host's trainers
    return this.#threadOf("trainers", hosts[trainer % hosts.length].host, index);
  }

  shard(shard: number): string {
    const hosts = this.with("shards");
    const index = Math.floor(shard / hosts.length); // among the host's shards
    return this.#threadOf("shards", hosts[shard % hosts.length].host, index);
  }

  /** The node of a shard, a joiner or a trainer on a host that the store has given it to. */
  on(host: string, key: PlacedKey): string {
    const { kind, number } = parsePlacedKey(key);
    switch (kind) {
      case "shard":
        return this.#threadOf("shards", host, number);
      case "events":
        return homeNodeOf(host);
      case "trainer":
        return this.#threadOf("trainers", host, number);
    }
  }

  /** The node of one of a host's parts, which are dealt to its threads round robin. */
  #threadOf(use: keyof HostThreads, host: string | undefined, part: number): string {
    const told = host === undefined ? undefined : this.#told.get(host);
    const { [use]: threads } = told ?? threadsOf(this.#configuration, host);
    return threads === 0 ? homeNodeOf(host) : nodeName(threadNames[use](part % threads), host);
  }
}

function nodeName(thread: string, host: string | undefined): string {
  return host === undefined ? thread : `${host}:${thread}`;
}
