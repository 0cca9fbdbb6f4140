/**
 * A host's part in a change of the number of shards, trainers or partitions, and of the threads of
 * other hosts: it follows the sharding, the dealing and the partitioning of the mesh, as the
 * coordination store names them, and knows each host by the threads that it told there.
 *
 * The new shards and trainers are made by {@link PlacedShards} and {@link PlacedPartitions}, since
 * their epochs change. Here the other actors follow:
 *
 * - After a change of the shards a serving host makes the new replicas and a row feed that fills
 *   them, and ends the old ones when its scorer uses the new ones.
 * - After a change of the partitions every host gives its logs the new ones.
 *
 * Each step is tried again until it succeeds, and a process that starts meanwhile begins with the
 * present divisions.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ScorerMessage } from "../actors/scorer/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { divisionsOf, withDivisions } from "../configuration/sharding.ts";
import type { HostThreads, MeshView, PlacedKey } from "../mesh/ports/coordination.ts";
import { HELD_SHARDING, SERVED_SHARDING } from "../mesh/ports/reshard_progress.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import { type Mesh, placementOf, type PlannedActor } from "../mesh/runtime/mesh.ts";
import { present } from "../structures/invariant.ts";
import { partitionCountsOf } from "../configuration/partitions.ts";
import {
  type PartitionCounts,
  partitionTotals,
  presentPartitioning,
} from "../mesh/ports/partitioning.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import { addresses, placedKinds, shardingAt } from "./addresses.ts";
import { Layout, processesOf } from "./layout.ts";
import { planOf } from "./plan.ts";

export interface HostShardingOptions {
  readonly mesh: Mesh;
  /** The configuration, with the sharding at the start of this process. */
  readonly configuration: CairnConfiguration;
  readonly host: string;
  /** Threads by host, this one's included, as they have told them until now. */
  readonly threads: ReadonlyMap<string, HostThreads>;
  /** Resolves when the actors that this process began with are there. */
  readonly started: Promise<unknown>;
  /** The logs of this process; undefined or empty where it has none. */
  readonly logs?: HostLogs | undefined;
}

/** The logs that a host has. */
export interface HostLogs {
  readonly eventLog?: EventLog | undefined;
  readonly exampleLog?: EventLog | undefined;
}

/** The shards as a host makes them. */
export interface ShardsOptions {
  readonly sharding: number;
  /** Options of every shard, except its number. */
  readonly shard: Omit<EmbeddingShardOptions, "shard">;
}

const BUDGET = { budgetMs: 5_000 };

export class HostSharding {
  readonly #options: HostShardingOptions;
  readonly #serves: boolean;
  #configuration: CairnConfiguration;
  /** By host; one that is away has those that it told last. */
  readonly #threads: Map<string, HostThreads>;
  #plan: readonly PlannedActor[] = [];
  #fixedActors: readonly (readonly [Address, string])[] = [];
  /** The sharding whose actors are made here. */
  #madeSharding: number;
  /** The number of partitionings that the logs here have. */
  #extended: number;
  /** The sharding whose replicas the scorer uses. */
  #served: number;
  /** Replicas of earlier shardings. */
  #oldReplicas: Address[] = [];
  /** The sharding that all serving hosts use, or a later one. */
  #servedByAll = 0;
  #isStarted = false;
  #task: Promise<void> | undefined;
  #logged = "";

  constructor(options: HostShardingOptions) {
    this.#options = options;
    const { configuration, host, threads } = options;
    this.#configuration = configuration;
    this.#threads = new Map(threads);
    this.#planAnew();
    this.#madeSharding = this.#served = configuration.sharding;
    this.#extended = partitionCountsOf(configuration).length;
    const own = processesOf(configuration).find((each) => each.host === host);
    const { roles } = present(own, "a host is in the configuration of its mesh");
    this.#serves = roles.includes("serving");
    options.started.then(() => this.#isStarted = true, () => {});
  }

  /** The configuration with the present divisions. */
  get configuration(): CairnConfiguration {
    return this.#configuration;
  }

  /** The shards of the present sharding. */
  get shards(): ShardsOptions {
    const { sharding, embeddingShard: shard } = this.#configuration;
    return { sharding, shard };
  }

  /** The node of a shard, a joiner or a trainer on a host that the store has given it to. */
  nodeOf(host: string, key: PlacedKey): string {
    return new Layout(this.#configuration, this.#threads).on(host, key);
  }

  /** The actors of all hosts that the store does not place, with their nodes. */
  get fixedActors(): readonly (readonly [Address, string])[] {
    return this.#fixedActors;
  }

  /** Whether a step towards the present divisions is left. */
  get isChanging(): boolean {
    const { sharding } = this.#configuration;
    return this.#madeSharding !== sharding || this.#extended !== this.#partitionings.length ||
      this.#serves && (this.#served !== sharding || this.#oldReplicas.length > 0);
  }

  get #partitionings(): readonly PartitionCounts[] {
    return partitionCountsOf(this.#configuration);
  }

  /** The actor at an address of the present divisions. */
  actorAt(address: Address): PlannedActor {
    const actor = this.#plan.find(({ kind, key }) => `${kind}/${key}` === address);
    return present(actor, "the plan has each partition's actor");
  }

  /** Figures for the coordination store: the shardings that are served and held here. */
  figures(): Readonly<Record<string, number>> {
    if (!this.#serves) return {};
    const held = Math.min(this.#madeSharding, ...this.#oldReplicas.map(shardingAt));
    return { [SERVED_SHARDING]: this.#served, [HELD_SHARDING]: held };
  }

  /** Takes the divisions of the view, and begins the next step towards them. */
  follow({ identity, hosts, nowMs }: MeshView): void {
    const serving = [...hosts.values()].filter(({ roles, expiresMs }) =>
      roles.includes("serving") && expiresMs > nowMs
    );
    this.#servedByAll = Math.min(...serving.map(({ load }) => load[SERVED_SHARDING] ?? -1));
    const { sharding: sharded, dealing: dealt } = this.#configuration;
    // Both only grow.
    const isDividedAnew = identity.sharding > sharded || identity.dealing > dealt;
    if (isDividedAnew) {
      this.#configuration = withDivisions(this.#configuration, divisionsOf(identity));
    }
    if (this.#noteThreads(hosts) || isDividedAnew) this.#planAnew();
    const { sharding } = this.#configuration;
    if (!this.isChanging || !this.#isStarted || this.#task !== undefined) return;
    this.#task = this.#step(sharding).then(() => void (this.#logged = ""), (error) => {
      const reason = reasonOf(error);
      const { telemetry } = this.#options.mesh.home;
      if (reason !== this.#logged) {
        telemetry.log("warn", `following a change of the mesh failed and is tried again`, {
          reason,
        });
      }
      this.#logged = reason;
    }).finally(() => this.#task = undefined);
  }

  /** Whether another host has other threads than it told before. */
  #noteThreads(hosts: MeshView["hosts"]): boolean {
    let isChanged = false;
    for (const { host, threads } of hosts.values()) {
      if (host === this.#options.host || isEqual(threads, this.#threads.get(host))) continue;
      this.#threads.set(host, threads);
      isChanged = true;
    }
    return isChanged;
  }

  #planAnew(): void {
    this.#plan = planOf(this.#configuration, this.#threads);
    this.#fixedActors = placementOf(this.#plan.filter(({ kind }) => !placedKinds.has(kind)));
  }

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    await this.#task;
  }

  async #step(sharding: number): Promise<void> {
    if (this.#extended !== this.#partitionings.length) await this.#followPartitioning();
    if (this.#madeSharding !== sharding) await this.#followSharding();
    if (this.#serves && this.#madeSharding === this.#configuration.sharding) {
      await this.#endOldReplicas();
    }
  }

  async #followPartitioning(): Promise<void> {
    const { length } = this.#partitionings;
    const { partitions: { events, examples } } = this.#configuration;
    await extendLogs(this.#configuration, this.#options.logs);
    this.#extended = length;
    const { telemetry } = this.#options.mesh.home;
    telemetry.log("info", `following partitioning ${length - 1}`, { events, examples });
  }

  async #followSharding(): Promise<void> {
    const { mesh } = this.#options;
    const { sharding } = this.#configuration;
    const plan = this.#plan;
    const replicas = plan.filter(({ kind }) => kind === "serving_replica");
    await mesh.place(replicas.map((actor): [Address, string] => [addressOf(actor), actor.node]));
    if (this.#serves) {
      await this.#makeReplicas(sharding, replicas);
      await this.#remakeFeed();
    }
    this.#madeSharding = sharding;
    mesh.home.telemetry.log("info", `following sharding ${sharding}`, {
      shards: this.#configuration.shardCount,
    });
  }

  async #remakeFeed(): Promise<void> {
    const { mesh, host } = this.#options;
    const address = addresses.rowFeed(host);
    const actor = this.actorAt(address);
    await mesh.end(address, 0);
    await mesh.spawn(actor);
  }

  async #makeReplicas(sharding: number, replicas: readonly PlannedActor[]): Promise<void> {
    const { mesh, host } = this.#options;
    const own = replicas.filter(({ key }) => key.endsWith(`@${host}`));
    for (const replica of own) {
      if (mesh.nodeOf(addressOf(replica)) === undefined) await mesh.spawn(replica);
    }
    const current = new Set(own.map(addressOf));
    this.#oldReplicas = mesh.addressesOf("serving_replica").filter((address) =>
      !current.has(address)
    );
    mesh.home.telemetry.log("info", "serving replicas are made beside those in use", {
      sharding,
      replicas: own.length,
    });
  }

  /** Ends the earlier replicas once all scorers use the present ones: other hosts may ask them. */
  async #endOldReplicas(): Promise<void> {
    const { mesh, host } = this.#options;
    const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
    const { sharding } = await scorer.ask({ kind: "getStatus" }, BUDGET);
    if (sharding !== this.#madeSharding) return;
    this.#served = sharding;
    if (this.#servedByAll < sharding) return;
    for (const address of this.#oldReplicas) await mesh.end(address, 0);
    this.#oldReplicas = [];
  }
}

/**
 * Gives the logs of a process the partitions of the mesh, and seals those before. Every host does
 * the same, also when it starts: its writers then know the partitions, and the joiners can end.
 *
 * @throws {UnknownPartitionsError} A log has partitions that the mesh does not know: its host was
 * started with another file than the one that made the mesh.
 */
export async function extendLogs(
  configuration: CairnConfiguration,
  { eventLog, exampleLog }: HostLogs = {},
): Promise<void> {
  const partitionings = partitionCountsOf(configuration);
  const { events, examples } = partitionTotals(partitionings);
  const { first } = presentPartitioning(partitionings).events;
  requireAtMost(eventLog, "joiner.partitions", events);
  requireAtMost(exampleLog, "trainer.partitions", examples);
  // The examples first: a record in a new partition then has partitions for its examples.
  await exampleLog?.extend?.({ firstPartition: 0, partitions: examples });
  await eventLog?.extend?.({ firstPartition: first, partitions: events });
}

function requireAtMost(log: EventLog | undefined, key: string, partitions: number): void {
  if (log === undefined || log.partitions <= partitions) return;
  throw new UnknownPartitionsError(key, log.partitions, partitions);
}

/** A log has partitions that the mesh does not know. */
export class UnknownPartitionsError extends Error {
  override readonly name = "UnknownPartitionsError";
  constructor(key: string, found: number, known: number) {
    super(
      `The log has ${found} partitions, and the mesh knows ${known}: hosts with different ${key} ` +
        "began the mesh at the same moment, or its partitions were changed just now. Start this host " +
        "again. If it ends in the same way and the mesh has no data that you need, give it another " +
        "mesh.id and start all hosts with one file.",
    );
  }
}

function isEqual(a: HostThreads, b: HostThreads | undefined): boolean {
  return a.serving === b?.serving && a.trainers === b.trainers && a.shards === b.shards;
}

function addressOf({ kind, key }: PlannedActor): Address {
  return `${kind}/${key}`;
}
