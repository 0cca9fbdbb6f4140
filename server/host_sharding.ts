/**
 * A host's part in a change of the number of shards or trainers: it follows the sharding and the
 * dealing of the mesh, as the coordination store names them.
 *
 * The new shards and trainers are made by {@link PlacedShards} and {@link PlacedPartitions}, since
 * their epochs change. Here the other actors are carried over. After a change of the shards a
 * serving host makes the new replicas, and ends the old ones when its scorer uses the new ones; the
 * host with the role `sync` makes parameter sync and the snapshotter anew. After a change of the
 * trainers that host makes the snapshotter anew; parameter sync learns of them by their answers.
 * Each step is tried again until it succeeds, and a process that starts meanwhile begins with the
 * present divisions.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ScorerMessage } from "../actors/scorer/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { withDivisions } from "../configuration/sharding.ts";
import type { MeshView } from "../mesh/ports/coordination.ts";
import { SERVED_SHARDING } from "../mesh/ports/reshard_progress.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Mesh, PlannedActor } from "../mesh/runtime/mesh.ts";
import { present } from "../structures/invariant.ts";
import { addresses } from "./addresses.ts";
import { processesOf } from "./layout.ts";
import { planOf } from "./plan.ts";

export interface HostShardingOptions {
  readonly mesh: Mesh;
  /** The configuration, with the sharding at the start of this process. */
  readonly configuration: CairnConfiguration;
  readonly host: string;
  /** Resolves when the actors that this process began with are there. */
  readonly started: Promise<unknown>;
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
  readonly #syncs: boolean;
  #configuration: CairnConfiguration;
  #plan: readonly PlannedActor[];
  /** The sharding whose actors are made here. */
  #made: number;
  /** The dealing that the snapshotter here is made for. */
  #madeDealing: number;
  /** The sharding whose replicas the scorer uses. */
  #served: number;
  /** Replicas of earlier shardings. */
  #old: Address[] = [];
  #isStarted = false;
  #task: Promise<void> | undefined;
  #logged = "";

  constructor(options: HostShardingOptions) {
    this.#options = options;
    const { configuration, host } = options;
    this.#configuration = configuration;
    this.#plan = planOf(configuration);
    this.#made = this.#served = configuration.sharding;
    this.#madeDealing = configuration.dealing;
    const own = processesOf(configuration).find((each) => each.host === host);
    const { roles } = present(own, "a host is in the configuration of its mesh");
    this.#serves = roles.includes("serving");
    this.#syncs = roles.includes("sync");
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

  /** Whether a step towards the present divisions is left. */
  get isChanging(): boolean {
    const { sharding, dealing } = this.#configuration;
    return this.#made !== sharding || this.#serves && this.#served !== sharding ||
      this.#syncs && this.#madeDealing !== dealing;
  }

  /** The actor at an address of the present divisions. */
  actorAt(address: Address): PlannedActor {
    const actor = this.#plan.find(({ kind, key }) => `${kind}/${key}` === address);
    return present(actor, "the plan has each partition's actor");
  }

  /** Figures for the coordination store: the sharding that is served here. */
  figures(): Readonly<Record<string, number>> {
    return this.#serves ? { [SERVED_SHARDING]: this.#served } : {};
  }

  /** Takes the divisions of the view, and begins the next step towards them. */
  follow({ identity }: MeshView): void {
    const { sharding: sharded, dealing: dealt } = this.#configuration;
    // Both only grow.
    if (identity.sharding > sharded || identity.dealing > dealt) {
      this.#configuration = withDivisions(this.#configuration, identity);
      this.#plan = planOf(this.#configuration);
    }
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

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    await this.#task;
  }

  async #step(sharding: number): Promise<void> {
    if (this.#made !== sharding) await this.#make();
    if (this.#syncs) await this.#followDealing();
    if (this.#serves && this.#made === this.#configuration.sharding) await this.#endOld();
  }

  async #make(): Promise<void> {
    const { mesh } = this.#options;
    const { sharding, dealing } = this.#configuration;
    const plan = this.#plan;
    const replicas = plan.filter(({ kind }) => kind === "serving_replica");
    await mesh.place(replicas.map((actor): [Address, string] => [addressOf(actor), actor.node]));
    if (this.#serves) await this.#makeReplicas(sharding, replicas);
    if (this.#syncs) {
      await this.#remake(addresses.parameterSync);
      await this.#remake(addresses.snapshotter);
      this.#madeDealing = dealing;
    }
    this.#made = sharding;
    mesh.home.telemetry.log("info", `following sharding ${sharding}`, {
      shards: this.#configuration.shardCount,
    });
  }

  /** Makes the snapshotter anew, which has the present trainers make its cuts. */
  async #followDealing(): Promise<void> {
    const { dealing, trainerCount } = this.#configuration;
    if (this.#madeDealing === dealing) return;
    await this.#remake(addresses.snapshotter);
    this.#madeDealing = dealing;
    const { telemetry } = this.#options.mesh.home;
    telemetry.log("info", `following dealing ${dealing}`, { trainers: trainerCount });
  }

  async #remake(address: Address): Promise<void> {
    const { mesh } = this.#options;
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
    this.#old = mesh.addressesOf("serving_replica").filter((address) => !current.has(address));
    mesh.home.telemetry.log("info", "serving replicas are made beside those in use", {
      sharding,
      replicas: own.length,
    });
  }

  /** Ends the earlier replicas once the scorer uses the present ones. */
  async #endOld(): Promise<void> {
    const { mesh, host } = this.#options;
    const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
    const { sharding } = await scorer.ask({ kind: "getStatus" }, BUDGET);
    if (sharding !== this.#made) return;
    for (const address of this.#old) await mesh.end(address, 0);
    this.#old = [];
    this.#served = sharding;
  }
}

function addressOf({ kind, key }: PlannedActor): Address {
  return `${kind}/${key}`;
}
