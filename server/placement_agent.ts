/**
 * A host's part in the placement of shards and partitions: it renews the host's lease, takes its
 * turn as the controller, sends messages to the present owners, and has this host's duties carried
 * out by {@link PlacedShards} and {@link PlacedPartitions}.
 *
 * While the store is away nothing moves. A host measures its lease on its own clock, from the
 * moment it asked for it: when it ends without a renewal, the host's joiners and trainers stand
 * still until the store answers. If the store has given the host up meanwhile, the process ends.
 */
import type {
  Coordination,
  HostDescription,
  HostRun,
  MeshView,
  PlacedKey,
  Placement,
} from "../mesh/ports/coordination.ts";
import { HostGoneError } from "../mesh/ports/coordination_errors.ts";
import {
  type HostSnapshotFailure,
  type SnapshotFailure,
  snapshotFailuresIn,
} from "../mesh/ports/snapshot_failure.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { type ControllerOptions, defaultControllerOptions } from "../mesh/placement/controller.ts";
import { type ControllerRound, ControllerRounds } from "../mesh/placement/controller_rounds.ts";
import { dutiesOf } from "../mesh/placement/host_duties.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Mesh, PlannedActor } from "../mesh/runtime/mesh.ts";
import type { OwnBlobs } from "../records/own_blobs.ts";
import type { ShardsOptions } from "./host_sharding.ts";
import { leaseEndText } from "./lease_end_text.ts";
import { Pauses } from "./pauses.ts";
import { PlacedPartitions } from "./placed_partitions.ts";
import { PlacedShards } from "./placed_shards.ts";
import { FIRST_TRAINER, placedAddress } from "./addresses.ts";
import { readerFigures } from "./reader_figures.ts";
import { Resharding } from "./resharding.ts";
import { shardSizes } from "./shard_sizes.ts";
import {
  PartsWithoutHost,
  type UnplacedPart,
  UnplacedParts,
  unplacedParts,
} from "./unplaced_parts.ts";
import { UnlinkedHosts, type UnlinkedHostsOptions } from "./unlinked_hosts.ts";
import { UnlistedHosts } from "./unlisted_hosts.ts";

export interface PlacementAgentOptions {
  readonly mesh: Mesh;
  readonly coordination: Coordination;
  readonly description: HostDescription;
  /** Names of the hosts in this host's file. */
  readonly listedHosts: readonly string[];
  readonly links: UnlinkedHostsOptions["links"];
  /** The divisions of the mesh, which this host follows. */
  readonly sharding: FollowedSharding;
  /** Takes a snapshot, on the host of the first trainer. */
  readonly takeSnapshot: () => Promise<void>;
  /** The node of a shard, a joiner or a trainer on a host that owns it, by the host's threads. */
  readonly nodeOf: (host: string, key: PlacedKey) => string;
  /**
   * The joiner or trainer of a key on this host, under the epoch of its placement, and the actors
   * that follow it.
   */
  readonly actorsOf: (key: PlacedKey, epoch: number, view: MeshView) => readonly PlannedActor[];
  /** The blob store from which the shards on this host begin; default: any. */
  readonly ownBlobsOf?: (view: MeshView) => OwnBlobs;
  /** The node of the actors that follow others on a host. */
  readonly homeOf: (host: string) => string;
  /** Actors that are on the host of a key's actor; default: none. */
  readonly followersOf?: (key: PlacedKey) => readonly Address[];
  /** Length of a host's lease, ms. */
  readonly ttlMs: number;
  readonly controller?: Partial<ControllerOptions>;
  /** Another host has joined the mesh with a new process; default: nothing. */
  readonly onBegan?: (host: string) => void;
  /** Why this host refuses events; undefined where it does not. Default: it never does. */
  readonly refusal?: () => string | undefined;
  /** Why the last attempt to take a snapshot here failed; undefined where it did not. */
  readonly snapshotFailure?: () => SnapshotFailure | undefined;
  /** The host was removed from the mesh, or lost its shards: the process must stop. */
  readonly onGone: (error: Error) => void;
}

/** The divisions among shards and trainers, as a host follows them; see {@link HostSharding}. */
export interface FollowedSharding {
  readonly shards: ShardsOptions;
  /** The actors of all hosts that the store does not place, with their nodes. */
  readonly fixedActors: readonly (readonly [Address, string])[];
  /** Whether a step towards the divisions of the mesh is left. */
  readonly isChanging: boolean;
  follow(view: MeshView): void;
  figures(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** Renewals within the length of a lease; shards have half as long to tell their sizes. */
const RENEWALS_PER_LEASE = 3;
/** Looks at the own clock within the length of a lease that has ended. */
const CHECKS_PER_LEASE = 20;
/** Longest time between two looks at the store, ms; a change of the store comes at once. */
const LOOK_MS = 500;
/** Looks within the length of a lease while nothing moves; never more frequent than other looks. */
const QUIET_LOOKS = { controller: 10, owner: 2 };
/**
 * Time after a change of hosts or placements for which looks stay frequent, ms: the freeze of an
 * owner may come later than the end of its move.
 */
const SETTLING_MS = 5_000;
/** Longest wait of a stop for the steps under way, ms. */
const STOP_MS = 2_000;
/** The epoch of parts that are made at the first start of a mesh. */
const FIRST_EPOCH = 1;
/** Longest wait for the sizes of shards and the positions of readers, ms. */
const SIZES_MS = 5_000;

export class PlacementAgent {
  readonly #options: PlacementAgentOptions;
  readonly #run: HostRun;
  readonly #telemetry: Telemetry;
  readonly #pauses: Pauses;
  readonly #shards: PlacedShards;
  readonly #partitions: PlacedPartitions;
  readonly #resharding: Resharding;
  readonly #unlinked: UnlinkedHosts;
  readonly #unlisted: UnlistedHosts;
  readonly #unplaced: UnplacedParts;
  readonly #withoutHost: PartsWithoutHost;
  /** Addresses of the parts that are to be on this host, as of the last look. */
  #due: ReadonlySet<Address> = new Set();
  /** The parts that cannot be placed on other hosts, as of the last look. */
  #unplacedElsewhere: readonly UnplacedPart[] = [];
  /** The failures of snapshots on other hosts, as of the last look. */
  #snapshotFailuresElsewhere: readonly HostSnapshotFailure[] = [];
  /** Whether the first trainer was to be here at the last look. */
  #leads = false;
  #joined: readonly string[] = [];
  /** The process of each other host at the last look, by host. */
  readonly #incarnations = new Map<string, string>();
  /** The node of each actor, as this process was told last. */
  readonly #placed = new Map<Address, string>();
  /** End of the lease on the own monotonic clock, ms; infinite before this host has joined. */
  #leasedUntilMs = Infinity;
  #isLeased = true;
  /** Why the last attempt to renew the lease failed. */
  #renewalFailure: Error | undefined;
  /** The version of the mesh at the last look, and when it was first seen, monotonic ms. */
  #changed = { version: -1, atMs: 0 };
  /** Resolved where the host has to look at its duties at once. */
  #lookAgain = Promise.withResolvers<void>();
  /** Resolved where a look has found no controller. */
  #controlFree = Promise.withResolvers<void>();
  #stopped = false;
  #loops: Promise<void>[] = [];

  constructor(options: PlacementAgentOptions) {
    const { mesh, coordination, description, sharding, takeSnapshot, nodeOf, actorsOf } = options;
    this.#options = options;
    const { host, incarnation } = description;
    const run = this.#run = { host, incarnation };
    this.#telemetry = mesh.home.telemetry;
    const pauses = this.#pauses = new Pauses(mesh.home.clock);
    const unplaced = this.#unplaced = new UnplacedParts(mesh.home);
    this.#withoutHost = new PartsWithoutHost(mesh.home.clock, options.ttlMs);
    this.#shards = new PlacedShards({
      mesh,
      coordination,
      run,
      shards: () => sharding.shards,
      ownBlobsOf: options.ownBlobsOf,
      nodeOf: (shard) => nodeOf(host, `shard/${shard}`),
      pauses,
      unplaced,
      onRejoin: (error) => this.#leaveFor(error),
      onDue: () => this.#lookAgain.resolve(),
    });
    this.#partitions = new PlacedPartitions({ mesh, coordination, run, unplaced, actorsOf });
    const { clock, telemetry } = mesh.home;
    this.#unlinked = new UnlinkedHosts({ own: host, links: options.links, clock });
    this.#unlisted = new UnlistedHosts(options.listedHosts, telemetry);
    this.#resharding = new Resharding({ coordination, run, clock, telemetry, takeSnapshot });
  }

  /**
   * Joins the mesh, which is open, and begins to fulfil its duties.
   *
   * @throws {MeshMismatchError} Hosts of the mesh run that it cannot run beside.
   * @throws {ProtocolMismatchError} It does not speak the protocol of the mesh.
   */
  async start(): Promise<void> {
    const { coordination, description, sharding, ttlMs, controller } = this.#options;
    const joinedMs = this.#nowMs;
    const { ttlMs: leaseMs } = await coordination.join(description);
    this.#leasedUntilMs = joinedMs + leaseMs;
    const rounds = new ControllerRounds(coordination, this.#run, {
      ...defaultControllerOptions,
      patienceMs: ttlMs,
      ...controller,
    });
    let seen = 0;
    this.#loops = [
      this.#loop("renewing the lease", async () => {
        const load = { ...await this.#partFigures(), ...sharding.figures() };
        const refusal = this.#options.refusal?.();
        const snapshotFailure = this.#ownSnapshotFailure;
        const sentMs = this.#nowMs;
        const lease = await coordination.renew(this.#run, {
          load,
          unplaced: this.#unplaced.current,
          ...(refusal !== undefined && { refusal }),
          ...(snapshotFailure !== undefined && { snapshotFailure }),
          unlinked: this.#unlinked.current,
        }).catch((error) => {
          this.#renewalFailure = error;
          throw error;
        });
        this.#renewalFailure = undefined;
        this.#leasedUntilMs = sentMs + lease.ttlMs;
        this.#checkLease();
        await this.#pauses.pause(ttlMs / RENEWALS_PER_LEASE);
      }),
      this.#loop("checking the lease", async () => {
        this.#checkLease();
        const leftMs = this.#leasedUntilMs - this.#nowMs;
        await this.#pauses.pause(Math.max(ttlMs / CHECKS_PER_LEASE, leftMs));
      }),
      this.#loop("controlling the mesh", async () => {
        this.#controlFree = Promise.withResolvers();
        const round = await rounds.round();
        if (round.kind === "controls") {
          for (const step of round.made) {
            if ("reason" in step) this.#telemetry.log("info", `placement: ${step.reason}`);
          }
        }
        if (round.kind === "lost") throw round.error;
        if (round.kind === "standby") return await this.#standBy(round.leftMs);
        seen = await coordination.watch(seen, this.#controllerLookMs(round));
      }),
      this.#loop("placing shards and partitions", async () => {
        this.#lookAgain = Promise.withResolvers();
        const view = await coordination.read();
        if ((view.control?.expiresMs ?? 0) <= view.nowMs) this.#controlFree.resolve();
        this.#noteBegun(view);
        this.#joined = [...view.hosts.keys()].filter((host) => host !== this.#run.host);
        this.#unlinked.look(view);
        this.#unlisted.look(view);
        this.#withoutHost.look(view);
        const unplacing = [...view.hosts.values()].filter(({ host, expiresMs, unplaced }) =>
          host !== this.#run.host && expiresMs > view.nowMs && Object.keys(unplaced).length > 0
        );
        this.#due = this.#dueOn(this.#run, view);
        this.#unplacedElsewhere = unplacing.flatMap((record) =>
          unplacedParts(record, this.#dueOn(record, view))
        );
        this.#snapshotFailuresElsewhere = snapshotFailuresIn(view)
          .filter(({ host }) => host !== this.#run.host);
        sharding.follow(view);
        this.#leads = dutiesOf(view, this.#run).has(FIRST_TRAINER);
        this.#resharding.follow(view, this.#leads);
        await this.#placeActors(view);
        this.#partitions.fulfil(view);
        this.#shards.fulfil(view);
        const changed = coordination.watch(view.revision, this.#lookMs(view));
        await Promise.race([changed, this.#lookAgain.promise]);
      }),
    ];
  }

  /** Names of the other hosts that had joined the mesh, and not left it, at the last look. */
  get joinedHosts(): readonly string[] {
    return this.#joined;
  }

  /** Names of the hosts of the mesh that this host's file does not list. */
  get unlistedHosts(): readonly string[] {
    return this.#unlisted.present;
  }

  /** The warning that this host cannot renew its lease; undefined where it has one. */
  get leaseEnd(): string | undefined {
    return this.#isLeased ? undefined : this.#leaseEndText();
  }

  /** The parts that cannot be placed on their hosts, of all hosts, and those without a host. */
  get unplacedParts(): readonly UnplacedPart[] {
    const { host } = this.#run;
    const own = unplacedParts({ host, unplaced: this.#unplaced.current }, this.#due);
    return [...own, ...this.#unplacedElsewhere, ...this.#withoutHost.current];
  }

  /** The failures of the last attempts to take a snapshot, of the hosts that take them. */
  get snapshotFailures(): readonly HostSnapshotFailure[] {
    const failure = this.#ownSnapshotFailure;
    const own = failure === undefined ? [] : [{ host: this.#run.host, ...failure }];
    return [...own, ...this.#snapshotFailuresElsewhere];
  }

  /** Undefined also where another host takes the snapshots by now. */
  get #ownSnapshotFailure(): SnapshotFailure | undefined {
    return this.#leads ? this.#options.snapshotFailure?.() : undefined;
  }

  /**
   * Waits for the end of another host's lease as the controller, or for a look at the mesh that
   * finds that it was given up. So a change of the mesh costs a host that stands by one look.
   */
  async #standBy(leftMs: number): Promise<void> {
    // No longer than a lease: more seems to be left where the store's clock was set back.
    const waitMs = Math.max(LOOK_MS, Math.min(leftMs, this.#options.ttlMs));
    await Promise.race([this.#pauses.pause(waitMs), this.#controlFree.promise]);
  }

  /** Longest time to the next round of a host that may be the controller, ms. */
  #controllerLookMs(round: ControllerRound): number {
    const { ttlMs } = this.#options;
    if (round.kind !== "controls" || round.moves) return LOOK_MS;
    return Math.max(LOOK_MS, ttlMs / QUIET_LOOKS.controller);
  }

  /** Longest time to the next look at this host's duties, ms. */
  #lookMs(view: MeshView): number {
    const nowMs = this.#nowMs;
    if (view.version !== this.#changed.version) {
      this.#changed = { version: view.version, atMs: nowMs };
    }
    if (nowMs - this.#changed.atMs < SETTLING_MS) return LOOK_MS;
    if (this.#options.sharding.isChanging || view.reshard?.state === "asked") return LOOK_MS;
    const duties = dutiesOf(view, this.#run);
    if (duties.values().some(({ kind }) => kind !== "own")) return LOOK_MS;
    return Math.max(LOOK_MS, this.#options.ttlMs / QUIET_LOOKS.owner);
  }

  /** Ends the loops, and the lease: other hosts restore the shards and partitions of this one. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pauses.endAll();
    // A restore or a busy node may take minutes, for which the other hosts need not wait.
    const stepsEnded = Promise.allSettled([
      ...this.#loops,
      this.#shards.stop(),
      this.#partitions.stop(),
      this.#options.sharding.stop(),
    ]);
    await Promise.race([stepsEnded, this.#pauses.pause(STOP_MS)]);
    this.#pauses.endAll();
    // Their last checkpoints are there before the next owner reads them.
    const ended = this.#partitions.endFollowers();
    this.#partitions.setLeased(false);
    await ended;
    await this.#options.coordination.leave(this.#run).catch(() => {});
  }

  async #loop(subject: string, work: () => Promise<void>): Promise<void> {
    let logged = "";
    while (!this.#stopped) {
      try {
        await work();
        logged = "";
      } catch (error) {
        if (error instanceof HostGoneError) return this.#leaveFor(error);
        const reason = reasonOf(error);
        if (reason !== logged) this.#telemetry.log("warn", `${subject} failed`, { reason });
        logged = reason;
        await this.#pauses.pause(LOOK_MS);
      }
    }
  }

  /** Ends this process's part in the mesh, once. */
  #leaveFor(error: Error): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#partitions.setLeased(false);
    this.#options.onGone(error);
  }

  get #nowMs(): number {
    return this.#options.mesh.home.clock.monotonicMs();
  }

  /** Lets joiners and trainers stand still while the lease has ended. */
  #checkLease(): void {
    if (this.#stopped) return;
    const isLeased = this.#nowMs < this.#leasedUntilMs;
    // Repeated while the lease has ended: an actor that has crashed since began anew.
    if (!isLeased || !this.#isLeased) this.#partitions.setLeased(isLeased);
    if (isLeased === this.#isLeased) return;
    this.#isLeased = isLeased;
    if (!isLeased) this.#telemetry.log("warn", this.#leaseEndText());
    else this.#telemetry.log("info", `the lease of host ${this.#run.host} is renewed`);
  }

  #leaseEndText(): string {
    return leaseEndText(this.#options.description, this.#renewalFailure);
  }

  /** Sizes of the shards and positions of the readers of this host. */
  async #partFigures(): Promise<Record<string, number>> {
    const { mesh, ttlMs } = this.#options;
    const budgetMs = Math.min(ttlMs / RENEWALS_PER_LEASE / 2, SIZES_MS);
    const [sizes, positions] = await Promise.all([
      shardSizes(mesh, this.#shards.held, budgetMs),
      readerFigures(mesh, this.#partitions.readers, budgetMs),
    ]);
    return { ...sizes, ...positions };
  }

  /** Tells the hosts that have joined since the last look. */
  #noteBegun({ hosts }: MeshView): void {
    for (const [host, { incarnation }] of hosts) {
      if (host === this.#run.host || this.#incarnations.get(host) === incarnation) continue;
      this.#incarnations.set(host, incarnation);
      this.#options.onBegan?.(host);
    }
  }

  /** Addresses of the parts that are to be on a host, with the actors that follow them. */
  #dueOn(run: HostRun, view: MeshView): ReadonlySet<Address> {
    const { sharding } = view.identity;
    return new Set(
      [...dutiesOf(view, run).keys()].flatMap((key) => [
        placedAddress(key, sharding),
        ...(this.#options.followersOf?.(key) ?? []),
      ]),
    );
  }

  /**
   * Directs messages to the present owners, also to those that still restore, and to the threads
   * that hosts have now. At the first start of a mesh an owner gets none before it has the part: no
   * other owner's work is to end.
   */
  async #placeActors(view: MeshView): Promise<void> {
    const { mesh, nodeOf, homeOf, followersOf } = this.#options;
    const { sharding } = view.identity;
    const actors = [...this.#options.sharding.fixedActors];
    for (const [key, placement] of view.placements) {
      if (placement.state === "unassigned" || isOfFirstStart(placement)) continue;
      const { host } = placement.owner;
      actors.push([placedAddress(key, sharding), nodeOf(host, key)]);
      for (const follower of followersOf?.(key) ?? []) actors.push([follower, homeOf(host)]);
    }
    const changed = actors.filter(([address, node]) => this.#placed.get(address) !== node);
    if (changed.length === 0) return;
    await mesh.place(changed);
    // Only now: nodes that did not answer are told again at the next look.
    for (const [address, node] of changed) this.#placed.set(address, node);
  }
}

/** Whether a part is made at the first start of a mesh: nothing answers for it yet. */
function isOfFirstStart({ state, epoch }: Placement): boolean {
  return state === "restoring" && epoch === FIRST_EPOCH;
}
