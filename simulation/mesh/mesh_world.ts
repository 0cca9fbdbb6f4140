/**
 * The world of a mesh of several hosts: a process for each host over revocable ports, the network
 * between them, a Redis server and a store of blobs that all of them use.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  type Coordination,
  type MeshView,
  partitionCountsOf,
} from "../../mesh/ports/coordination.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import { readMesh } from "../../mesh/runtime/coordination/read_mesh.ts";
import { records } from "../../mesh/runtime/coordination/record_keys.ts";
import { present } from "../../structures/invariant.ts";
import type { CheckerFactory } from "../checkers/checker.ts";
import type { Fault, HangUps, Interrupt } from "../plan/fault.ts";
import type { FailOverRedis, UnmountBlobs } from "../plan/mesh_fault.ts";
import { REDIS_CLOCK } from "../plan/host_clocks.ts";
import type { MailboxState } from "../world/process_nodes.ts";
import { NodeClock } from "../world/node_clock.ts";
import type { PendingAsk } from "../world/observed.ts";
import type { OpenRequest } from "../world/open_request.ts";
import { type Exchange, World, type WorldOptions } from "../world/world.ts";
import { ControllerDeaths } from "./controller_deaths.ts";
import { HostProcesses } from "./host_processes.ts";
import { HostWallClock } from "./host_wall_clock.ts";
import { NOT_SLOW } from "./known_host.ts";
import { LossRecovery } from "./loss_recovery.ts";
import { MeshOperator } from "./mesh_operator.ts";
import { refThroughAnyHost } from "./ref_through_any_host.ts";
import { SharedBlobs } from "./shared_blobs.ts";
import type { SimulatedHost } from "./simulated_host.ts";
import { SimulatedNetwork } from "./simulated_network.ts";
import { SimulatedRedis } from "./simulated_redis.ts";

/** The parts of a world of several hosts. */
export interface MeshWorldOptions extends WorldOptions {
  readonly checkers: (world: MeshWorld) => readonly CheckerFactory[];
}

export class MeshWorld extends World {
  readonly network: SimulatedNetwork;
  readonly redis: SimulatedRedis;
  readonly blobs: SharedBlobs;
  readonly profiles: MemoryProfileStore;
  readonly #options: MeshWorldOptions;
  readonly #processes: HostProcesses;
  readonly #operator: MeshOperator;
  readonly #recovery: LossRecovery;
  readonly #controllerDeaths: ControllerDeaths;
  readonly #redisClock: HostWallClock;
  #configuration: CairnConfiguration;
  #slowRedis = NOT_SLOW;

  constructor(options: MeshWorldOptions) {
    super(options);
    this.#options = options;
    this.#configuration = options.configuration;
    this.profiles = new MemoryProfileStore(this.clock);
    const { seed, linkMs, idsRetainedMs } = options;
    this.network = new SimulatedNetwork({ seed, clock: this.clock, latencyMs: linkMs });
    const { durable: appended, trimmed } = this.logChanges("redis");
    const { clocks } = options;
    this.#redisClock = new HostWallClock(this.clock, clocks?.[REDIS_CLOCK]);
    this.redis = new SimulatedRedis({
      clock: new NodeClock(this.clock, () => {}, () => this.#redisClock.aheadMs),
      observer: {
        appended,
        trimmed,
        tailLost: (log, partition, end) => {
          this.note(`redis/${log}/${partition}`, "lost", end);
          for (const checker of this.checkers.tailLost) checker.tailLost(log, partition, end);
        },
        trimLost: (log, partition, first) => {
          this.note(`redis/${log}/${partition}`, "trim lost", first);
          for (const checker of this.checkers.trimLost) checker.trimLost(log, partition, first);
        },
      },
      onPlaced: (key, before, after) => {
        this.note(`placement/${key}`, "placed", after.epoch, after.state);
        for (const checker of this.checkers.placed) checker.placed(key, before, after);
        this.#controllerDeaths.placed(after);
      },
      idsRetainedMs,
    });
    this.#controllerDeaths = new ControllerDeaths({
      redis: this.redis,
      nowMs: () => this.clock.monotonicMs(),
      begin: (fault) => this.begin(fault),
    });
    this.blobs = new SharedBlobs(this.blobChanges);
    this.#operator = new MeshOperator({
      options,
      clock: this.clock,
      redis: this.redis,
      configuration: () => this.#configuration,
      onFailed: (error) => this.note("operator", "failed", 0, reasonOf(error)),
      onDrains: (host, isDraining) => {
        for (const checker of this.checkers.drains) checker.drains(host, isDraining);
      },
      onBegan: (command) => {
        this.note("operator", command);
        for (const checker of this.checkers.commandBegan) checker.commandBegan(command);
      },
      onTaken: (command, moves) => {
        this.note("operator", `${command} taken`, moves?.length);
        for (const checker of this.checkers.commandTaken) checker.commandTaken(command, moves);
      },
    });
    this.#processes = new HostProcesses({
      world: this,
      options,
      checkers: this.checkers,
      redisExtraMs: () =>
        this.clock.monotonicMs() < this.#slowRedis.untilMs ? this.#slowRedis.latencyMs : 0,
    });
    this.#recovery = new LossRecovery({
      options,
      clock: this.clock,
      redis: this.redis,
      blobs: this.blobs,
      processes: this.#processes,
      operator: this.#operator,
      configuration: () => this.#configuration,
      view: () => this.view,
      note: (what) => this.note("operator", what),
      examplesGivenUp: (partition, row) => {
        for (const checker of this.checkers.examplesGivenUp) {
          checker.examplesGivenUp(partition, row);
        }
      },
    });
    this.watch(options.checkers(this));
  }

  override get configuration(): CairnConfiguration {
    return this.#configuration;
  }

  /** Names of all hosts. */
  get hosts(): string[] {
    return this.#processes.all.map(({ name }) => name);
  }

  /** The process of a host; undefined while it is down. */
  processOf(host: string): SimulatedHost | undefined {
    return this.#processes.processOf(host);
  }

  /** The latest time that a wall clock of any host has shown, ms. */
  get latestWallMs(): number {
    return Math.max(...this.#processes.all.map(({ wallClock }) => wallClock.latestMs));
  }

  /** The time of a host's wall clock, ms. */
  wallMsOf(host: string): number {
    return this.clock.nowMs() + this.#processes.known(host).wallClock.aheadMs;
  }

  /** Why the mesh is not whole, in words; undefined where every host has started. */
  get incomplete(): string | undefined {
    if (!this.redis.isUp) return "Redis is down";
    if (this.#operator.isAtWork) return "the operator is at work";
    for (const { name, current, isRestarting } of this.#processes.all) {
      if (isRestarting) return `host ${name} is being restarted`;
      if (current?.composed === undefined) return `host ${name} has not started`;
    }
    return undefined;
  }

  /** Bytes of a log's records. */
  logBytes(log: string): number {
    return this.redis.log(log, this.#partitionsOf(log)).bytes;
  }

  /** The mailboxes of all processes, or those that are smaller than in production. */
  *mailboxes(isNarrow?: boolean): Iterable<MailboxState> {
    for (const { current } of this.#processes.all) {
      if (current) yield* current.mailboxes(isNarrow);
    }
  }

  /** Name and content of each blob, and of each record of the logs. */
  *contents(): Iterable<readonly [string, Uint8Array]> {
    yield* this.blobs.contents();
    for (const log of ["events", "examples"]) {
      yield* this.redis.log(log, this.#partitionsOf(log)).contents();
    }
  }

  #partitionsOf(log: string): number {
    const { events, examples } = this.#configuration.partitions;
    return log === "events" ? events : examples;
  }

  /** The partitionings of the logs, oldest first, as the coordination store has them. */
  get partitionings(): readonly PartitionCounts[] {
    const identity = this.view?.identity;
    return identity ? partitionCountsOf(identity) : [this.#configuration.partitions];
  }

  /** All that the coordination store has of the mesh now; undefined before the mesh is opened. */
  get view(): MeshView | undefined {
    let found: MeshView | undefined;
    void this.redis.transact((view) => {
      if (records.identity(view) !== undefined) found = readMesh(view);
    });
    return found;
  }

  // ---- processes

  override start(): void {
    for (const { name } of present(this.#configuration.mesh, "a mesh has hosts").hosts) {
      this.#processes.startIfDown(this.#processes.known(name));
    }
  }

  override kill(): void {
    for (const { current } of this.#processes.all) current?.kill(true);
    this.#operator.kill();
  }

  // ---- faults

  protected override strike(fault: Exclude<Fault, HangUps>): void {
    const nowMs = this.clock.monotonicMs();
    switch (fault.kind) {
      case "killHost":
        return this.#processes.kill(fault.host, fault.power, fault.downMs);
      case "killController":
        return this.#controllerDeaths.add(fault);
      case "restartHost":
        if (Object.keys(fault.configuration).length > 0) {
          this.#configuration = this.#options.reconfigure(fault.configuration);
        }
        return this.#processes.restart(fault.host, fault.downMs);
      case "pauseHost":
        this.processOf(fault.host)?.pause(fault.forMs);
        return;
      case "cutHosts":
        this.network.way(fault.from, fault.to).cut(fault.forMs);
        if (fault.bothWays) this.network.way(fault.to, fault.from).cut(fault.forMs);
        return;
      case "slowHosts":
        this.network.way(fault.from, fault.to).slow(fault.latencyMs, fault.forMs);
        this.network.way(fault.to, fault.from).slow(fault.latencyMs, fault.forMs);
        return;
      case "cutRedis": {
        const host = fault.host ?? this.view?.control?.holder.host;
        if (host === undefined) return;
        const known = this.#processes.known(host);
        if (fault.answersOnly) known.answersLostUntilMs = nowMs + fault.forMs;
        else known.cutFromRedisUntilMs = nowMs + fault.forMs;
        return;
      }
      case "stopRedis":
        return this.#stopRedis({ lostMs: 0, downMs: fault.forMs });
      case "slowRedis": {
        const slow = { untilMs: nowMs + fault.forMs, latencyMs: fault.latencyMs };
        if (fault.host === undefined) this.#slowRedis = slow;
        else this.#processes.known(fault.host).slowRedis = slow;
        return;
      }
      case "slowBlobs":
        this.blobs.putExtraMs = fault.latencyMs;
        this.clock.schedule(fault.forMs, () => this.blobs.putExtraMs = 0);
        return;
      case "unmountBlobs":
        return this.#unmount(fault);
      case "stepHostClock":
        if (fault.host === REDIS_CLOCK) this.#redisClock.stepTo(fault.toMs);
        else this.#processes.known(fault.host).wallClock.stepTo(fault.toMs);
        return;
      case "failOverRedis":
        return this.#failOver(fault);
      case "recoverMesh":
        return this.#recovery.goBack(fault);
      case "drainHost":
        return this.#operator.drain(fault);
      case "commandMesh":
        return this.#operator.command(fault.command);
      case "reshardMesh":
        return this.#operator.reshard(fault);
      case "crashActor":
        this.witness.crash(fault.actor as Address);
        return;
      case "stallNode":
        return this.stall(fault.node, fault.forMs);
      case "interrupt":
        this.witness.interrupt(fault);
        return;
      case "refuseAppends":
        return this.redis.refuseAppends(fault.log, fault.forMs);
      case "refuseBlobs":
        this.blobs.refusesWrites = true;
        this.clock.schedule(fault.forMs, () => this.blobs.refusesWrites = false);
        return;
      default:
        throw new Error(`${fault.kind} strikes one process, and this is a mesh of several hosts`);
    }
  }

  protected override stall(node: string, forMs: number): void {
    this.processOf(node.split(":")[0])?.stall(node, forMs);
  }

  protected override dieBy({ node, effect, forMs }: Interrupt): void {
    const [host] = node.split(":");
    if (this.processOf(host) !== undefined) this.#processes.kill(host, effect === "power", forMs);
  }

  protected override healProcesses(): void {
    this.network.heal();
    this.#controllerDeaths.clear();
    this.blobs.refusesWrites = false;
    this.blobs.putExtraMs = 0;
    this.redis.takeAppends();
    this.#slowRedis = NOT_SLOW;
    this.#redisClock.heal();
    for (const known of this.#processes.all) {
      known.cutFromRedisUntilMs = known.answersLostUntilMs = 0;
      known.slowRedis = NOT_SLOW;
      known.unmountedUntilMs = 0;
      known.wallClock.heal();
      known.current?.wake();
      this.#processes.startIfDown(known);
    }
    this.#operator.endDrains();
  }

  #unmount({ host, copyAgeMs, forMs }: UnmountBlobs): void {
    const known = this.#processes.known(host);
    const folder = copyAgeMs === undefined ? new MemoryBlobStore() : this.blobs.copy();
    this.clock.schedule(copyAgeMs ?? 0, () => {
      if (!this.running) return; // healed
      known.folder = folder;
      known.unmountedUntilMs = this.clock.monotonicMs() + forMs;
    });
  }

  #failOver(fault: FailOverRedis): void {
    const { unconfirmedMs } = fault;
    if (unconfirmedMs === undefined) return this.#stopRedis(fault);
    this.redis.cutReplica();
    this.clock.schedule(unconfirmedMs, () => this.#stopRedis(fault));
  }

  #stopRedis(fault: Omit<FailOverRedis, "kind" | "atMs">): void {
    const { lostMs, downMs, isConfirmedKept = false, awayMs } = fault;
    if (!this.redis.isUp) return;
    const { run } = this.redis;
    const leftAtMs = this.clock.monotonicMs();
    this.#restartRedis(fault, lostMs > 0, () => this.redis.start(lostMs, isConfirmedKept));
    if (awayMs === undefined) return;
    this.clock.schedule(downMs + awayMs, () => {
      if (!this.redis.isUp) return;
      this.#restartRedis(fault, true, () => this.redis.returnTo(run, leftAtMs));
    });
  }

  /** @param start Starts the server; returns the number of changes that it has lost. */
  #restartRedis(
    { downMs, noticedMs, isConfirmedKept, restartsOnly }: Omit<
      FailOverRedis,
      "kind" | "atMs"
    >,
    mayLose: boolean,
    start: () => number,
  ): void {
    const { revision } = this.redis;
    this.redis.stop();
    this.clock.schedule(downMs, () => {
      if (mayLose) { for (const checker of this.checkers.redisLost) checker.redisLost(); }
      const lost = start();
      this.note("redis", "start", lost);
      if (lost === 0 || isConfirmedKept) return;
      const isWhole = this.redis.revision === revision;
      this.#operator.notice(
        () =>
          restartsOnly && isWhole ? this.#recovery.restartRefusing() : this.#recovery.acceptLoss(),
        noticedMs,
      );
    });
  }

  /** The coordination store as a new process of an operator reaches it. */
  coordination(): Coordination {
    return this.#operator.coordination();
  }

  // ---- clients

  protected override async fetch(request: OpenRequest): Promise<Exchange | undefined> {
    const { hosts } = present(this.#configuration.mesh, "a mesh has hosts");
    const serving = hosts.filter(({ roles }) => roles.includes("serving"))
      .flatMap(({ name }) => this.processOf(name) ?? []);
    if (serving.length === 0) {
      await this.sleep(1);
      return undefined;
    }
    // A load balancer, which takes a host that stops out.
    const ready = serving.filter(({ isStopping }) => !isStopping);
    const from = ready.length > 0 ? ready : serving;
    const chosen = from[Math.floor(this.random("balancer").nextFloat() * from.length)];
    return await Promise.race([chosen.fetch(request), chosen.died.then(() => undefined)]);
  }

  override actor<M extends Message>(address: Address): ActorRef<M> {
    const hosts = () => this.#processes.all;
    const find = () =>
      hosts().find(({ current }) => current?.composed !== undefined)?.current?.composed?.mesh
        .actorRef<M>(address);
    return refThroughAnyHost(address, find, () => this.sleep(1));
  }

  protected override overdueAsks(lateMs: number): readonly PendingAsk[] {
    return this.#processes.all.flatMap(({ current }) => current?.overdueAsks(lateMs) ?? []);
  }
}
