/**
 * The processes of a simulated mesh, one for each host at a time: how they start and die, and how a
 * service manager starts them again.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { CheckersByHook } from "../checkers/checkers_by_hook.ts";
import type { WorldOptions } from "../world/world.ts";
import { HostWallClock } from "./host_wall_clock.ts";
import { type KnownHost, newKnownHost } from "./known_host.ts";
import type { MeshWorld } from "./mesh_world.ts";
import { SimulatedHost } from "./simulated_host.ts";

export interface HostProcessesParts {
  readonly world: MeshWorld;
  readonly options: WorldOptions;
  readonly checkers: CheckersByHook;
  /** Latency that a fault adds to Redis for all hosts, ms. */
  redisExtraMs(): number;
}

/** Pause before a process that died by itself is started again, ms: a service manager's. */
const SUPERVISOR_MS = 1_000;

export class HostProcesses {
  readonly #parts: HostProcessesParts;
  readonly #hosts = new Map<string, KnownHost>();

  constructor(parts: HostProcessesParts) {
    this.#parts = parts;
  }

  /** The hosts that have been named, in the order of their first naming. */
  get all(): readonly KnownHost[] {
    return [...this.#hosts.values()];
  }

  /** The process of a host; undefined while it is down. */
  processOf(host: string): SimulatedHost | undefined {
    return this.#hosts.get(host)?.current;
  }

  /** A host over all its incarnations, made at its first naming. */
  known(host: string): KnownHost {
    let known = this.#hosts.get(host);
    if (known === undefined) {
      const { options: { clocks }, world } = this.#parts;
      known = newKnownHost(host, new HostWallClock(world.clock, clocks?.[host]));
      this.#hosts.set(host, known);
    }
    return known;
  }

  /** Starts the process of a host that is down. */
  startIfDown(known: KnownHost): void {
    known.isRestarting = false;
    if (known.current !== undefined) return;
    const { world, options, checkers } = this.#parts;
    const { seed, linkMs, syncMs, turnMessagesMax, priorityChanges, shardMailboxMax } = options;
    const incarnation = known.incarnations++;
    const current: SimulatedHost = new SimulatedHost({
      seed,
      host: known.name,
      incarnation,
      clock: world.clock,
      configuration: world.configuration,
      network: world.network,
      redis: world.redis,
      blobs: world.blobs,
      profiles: world.profiles,
      telemetry: world.telemetry,
      observer: world.witness,
      linkMs,
      linkExtraMs: () => 0,
      syncMs,
      redisExtraMs: () => {
        const { untilMs, latencyMs } = known.slowRedis;
        const own = world.clock.monotonicMs() < untilMs ? latencyMs : 0;
        return own + this.#parts.redisExtraMs();
      },
      clockAheadMs: () => known.wallClock.aheadMs,
      folder: () => world.clock.monotonicMs() < known.unmountedUntilMs ? known.folder : undefined,
      isCutFromRedis: () => world.clock.monotonicMs() < known.cutFromRedisUntilMs,
      losesAnswers: () => world.clock.monotonicMs() < known.answersLostUntilMs,
      turnMessagesMax,
      ...(priorityChanges !== undefined && { priorityChanges }),
      ...(shardMailboxMax !== undefined && { shardMailboxMax }),
      isHealed: () => !world.running,
      callbackRan: () => world.note(known.name, "callback"),
      onFatal: (actor, error) => this.#fatal(known, current, actor, error),
      onExceeded: (actor, error) => this.#tellGone(actor, error),
      onGone: (error) => this.#gone(known, current, error),
    });
    known.current = current;
    world.note(known.name, "start", incarnation);
    for (const checker of checkers.processBegan) checker.processBegan(known.name);
    current.start().catch((error) => this.#ended(known, current, error));
  }

  /** Ends the process of a host, if it runs, and starts it again after `downMs`. */
  kill(host: string, isSilent: boolean, downMs: number): void {
    const known = this.known(host);
    this.die(known, isSilent);
    this.#startAfter(downMs, known);
  }

  /** Ends the process of a host, if it runs. */
  die(known: KnownHost, isSilent: boolean): void {
    const { current } = known;
    if (current === undefined) return;
    const { world, checkers } = this.#parts;
    known.current = undefined;
    current.kill(isSilent);
    world.note(known.name, "died");
    for (const checker of checkers.processDied) checker.processDied(known.name);
  }

  /** Stops a host in order, and starts it again `downMs` after its end. */
  restart(host: string, downMs: number): void {
    const known = this.known(host);
    known.isRestarting = true;
    const { current } = known;
    if (current === undefined) return this.#startAfter(downMs, known);
    const ended = () => {
      if (known.current !== current) return; // killed while it stopped
      this.die(known, false);
      this.#startAfter(downMs, known);
    };
    current.stop().then(ended, (error) => {
      this.#tellGone(`node/${host}:main`, error);
      ended();
    });
  }

  /** A part that the host needs is gone for good. */
  #fatal(known: KnownHost, current: SimulatedHost, actor: Address, error: unknown): void {
    if (known.current !== current || current.isDead) return;
    this.#tellGone(actor, error);
    this.#restartByItself(known);
  }

  /** The mesh has removed the host: the process ends, and its service manager starts it again. */
  #gone(known: KnownHost, current: SimulatedHost, error: Error): void {
    if (known.current !== current || current.isDead) return;
    const { world, checkers } = this.#parts;
    world.note(known.name, "removed", 0, error.message);
    for (const checker of checkers.hostRemoved) checker.hostRemoved(known.name, error);
    this.#restartByItself(known);
  }

  /** The process could not start, for example because Redis was away. */
  #ended(known: KnownHost, current: SimulatedHost, error: unknown): void {
    if (known.current !== current || current.isDead) return;
    const { world, checkers } = this.#parts;
    world.note(known.name, "ended", 0, reasonOf(error));
    for (const checker of checkers.startFailed) checker.startFailed(known.name, error);
    this.#restartByItself(known);
  }

  #restartByItself(known: KnownHost): void {
    this.die(known, false);
    this.#startAfter(SUPERVISOR_MS, known);
  }

  #startAfter(downMs: number, known: KnownHost): void {
    this.#parts.world.clock.schedule(downMs, () => this.startIfDown(known));
  }

  #tellGone(actor: Address, error: unknown): void {
    const { world, checkers } = this.#parts;
    world.note(actor, "gone", 0, reasonOf(error));
    for (const checker of checkers.actorGone) checker.actorGone(actor, reasonOf(error));
  }
}
