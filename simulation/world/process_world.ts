/**
 * The world of one server process over a disk that outlives it, its threads as nodes with links
 * between them.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { CheckerFactory } from "../checkers/checker.ts";
import { MachineDisk } from "../disk/machine_disk.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { Fault, HangUps, Interrupt } from "../plan/fault.ts";
import type { PendingAsk } from "./observed.ts";
import type { OpenRequest } from "./open_request.ts";
import type { Program } from "./program.ts";
import { SimulatedProcess } from "./simulated_process.ts";
import { type Exchange, World, type WorldOptions } from "./world.ts";

/** The parts of a world of one process. */
export interface ProcessWorldOptions extends WorldOptions {
  readonly program: Program;
  readonly checkers: (world: ProcessWorld) => readonly CheckerFactory[];
  /** A segment of a log that would grow past this is followed by a new one, bytes. */
  readonly segmentBytesMax: number;
}

/** Pause before a process that died by itself is started again, ms: a service manager's. */
const SUPERVISOR_MS = 1_000;

export class ProcessWorld extends World {
  readonly disk: MachineDisk;
  readonly profiles: MemoryProfileStore;
  readonly #options: ProcessWorldOptions;
  readonly #slowUntilMs = new Map<string, { untilMs: number; latencyMs: number }>();
  #configuration: CairnConfiguration;
  #process: SimulatedProcess | undefined;
  #incarnations = 0;
  /** Restarts that failed syncs ask for. */
  #restartsDue = 0;
  #slowDisk = { untilMs: 0, latencyMs: 0 };
  #isRestarting = false;
  /** The latest time that the wall clock has shown before a step back, ms. */
  #shownMs = -Infinity;

  constructor(options: ProcessWorldOptions) {
    super(options);
    this.#options = options;
    this.#configuration = options.configuration;
    this.profiles = new MemoryProfileStore(this.clock);
    this.disk = new MachineDisk({
      ...this.logChanges("log"),
      ...this.blobChanges,
      lost: (operations) => this.note("disk", "lost", operations),
    });
    this.watch(options.checkers(this));
  }

  override get configuration(): CairnConfiguration {
    return this.#configuration;
  }

  /** The process that runs; undefined while it is down. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Whether the process is being stopped, or is down, and starts again in a moment. */
  get isRestarting(): boolean {
    return this.#isRestarting;
  }

  /** The latest time that the wall clock has shown, ms. */
  get latestWallMs(): number {
    return Math.max(this.#shownMs, this.clock.nowMs());
  }

  override kill(): void {
    this.#process?.kill();
  }

  override actor<M extends Message>(address: Address): ActorRef<M> {
    const current = () => this.#process?.mesh?.actorRef<M>(address);
    return {
      address,
      tell: (message, transfer) => current()?.tell(message, transfer),
      ask: async (request, options) => {
        const ref = current();
        if (ref !== undefined) return await ref.ask(request, options);
        await this.sleep(1);
        throw new Error(`Cannot ask ${address}: the process is down`);
      },
    };
  }

  protected override async fetch(request: OpenRequest): Promise<Exchange | undefined> {
    const current = this.#process;
    if (current === undefined) {
      await this.sleep(1);
      return undefined;
    }
    return await Promise.race([current.fetch(request), current.died.then(() => undefined)]);
  }

  protected override overdueAsks(lateMs: number): readonly PendingAsk[] {
    return this.#process?.overdueAsks(lateMs) ?? [];
  }

  // ---- the process

  /** Starts the process. One that fails to start is started again, as by a service manager. */
  override start(): void {
    const { seed, linkMs, syncMs, turnMessagesMax, segmentBytesMax } = this.#options;
    const { priorityChanges, shardMailboxMax } = this.#options;
    const incarnation = this.#incarnations++;
    const current = new SimulatedProcess({
      seed,
      incarnation,
      clock: this.clock,
      program: this.#options.program,
      configuration: this.#configuration,
      disk: this.disk,
      profiles: this.profiles,
      telemetry: this.telemetry,
      observer: this.witness,
      linkMs,
      linkExtraMs: (node) => this.#linkExtraMs(node),
      syncMs,
      syncExtraMs: () =>
        this.clock.monotonicMs() < this.#slowDisk.untilMs ? this.#slowDisk.latencyMs : 0,
      turnMessagesMax,
      ...(priorityChanges !== undefined && { priorityChanges }),
      ...(shardMailboxMax !== undefined && { shardMailboxMax }),
      isHealed: () => !this.running,
      segmentBytesMax,
      callbackRan: () => this.note("world", "callback"),
      onFatal: (actor, error) => this.#fatal(current, actor, error),
      onExceeded: (actor, error) => this.#tellGone(actor, error),
    });
    this.#process = current;
    this.note("world", "start", incarnation);
    for (const checker of this.checkers.processBegan) checker.processBegan();
    current.start().catch((error) => this.#fatal(current, "node/main", error));
  }

  #fatal(current: SimulatedProcess, actor: Address, error: unknown): void {
    if (this.#process !== current || current.dead) return;
    this.#tellGone(actor, error);
    this.#die(false);
    this.clock.schedule(SUPERVISOR_MS, () => this.#startIfDown());
  }

  #tellGone(actor: Address, error: unknown): void {
    this.note(actor, "gone", 0, reasonOf(error));
    for (const checker of this.checkers.actorGone) checker.actorGone(actor, reasonOf(error));
  }

  #die(power: boolean): void {
    const current = this.#process;
    if (current === undefined) return;
    this.#process = undefined;
    current.kill();
    for (const faults of Object.values(this.disk.faults)) faults.flipsNextRead = false;
    if (power) this.disk.losePower(new KeyedHash(this.#options.seed, "unsynced"));
    for (const checker of this.checkers.processDied) checker.processDied();
  }

  #startIfDown(): void {
    if (this.#process !== undefined) return;
    this.#isRestarting = false;
    this.start();
  }

  // ---- faults

  protected override stall(node: string, forMs: number): void {
    this.#process?.stall(node, forMs);
  }

  protected override dieBy({ effect, forMs }: Interrupt): void {
    if (this.#process === undefined) return;
    this.#die(effect === "power");
    this.clock.schedule(forMs, () => this.#startIfDown());
  }

  protected override strike(fault: Exclude<Fault, HangUps>): void {
    const nowMs = this.clock.monotonicMs();
    switch (fault.kind) {
      case "killProcess":
        this.#die(fault.power);
        this.clock.schedule(fault.downMs, () => this.#startIfDown());
        return;
      case "restartProcess":
        this.#restart(fault.downMs, fault.configuration);
        return;
      case "crashActor":
        this.witness.crash(fault.actor as Address);
        return;
      case "stallNode":
        this.#process?.stall(fault.node, fault.forMs);
        return;
      case "interrupt":
        this.witness.interrupt(fault);
        return;
      case "slowLinks":
        this.#slowUntilMs.set(fault.node, {
          untilMs: nowMs + fault.forMs,
          latencyMs: fault.latencyMs,
        });
        return;
      case "refuseAppends":
        this.disk.faults[fault.log].fullUntilMs = nowMs + fault.forMs;
        return;
      case "slowDisk":
        this.#slowDisk = { untilMs: nowMs + fault.forMs, latencyMs: fault.latencyMs };
        return;
      case "refuseBlobs":
        this.disk.faults.blobs.fullUntilMs = nowMs + fault.forMs;
        return;
      case "failWrites":
        this.disk.faults[fault.area].writesFailUntilMs = nowMs + fault.forMs;
        return;
      case "failSyncs":
        this.disk.faults[fault.area].syncsFailUntilMs = nowMs + fault.forMs;
        this.#restartsDue++;
        this.clock.schedule(fault.forMs, () => this.#restartAfterFailedSyncs(fault.downMs));
        return;
      case "flipRead":
        if (this.#process?.mesh === undefined) return; // an opening reads each byte once
        this.disk.faults[fault.area].flipsNextRead = true;
        return;
      case "stepClock":
        this.#shownMs = this.latestWallMs;
        this.clock.stepWall(fault.byMs);
        return;
      default:
        throw new Error(`${fault.kind} strikes a mesh of several hosts, and this is one process`);
    }
  }

  #restart(downMs: number, values: Readonly<Record<string, unknown>>): void {
    const current = this.#process;
    const begin = () => {
      this.#configuration = this.#options.reconfigure(values);
      this.clock.schedule(downMs, () => this.#startIfDown());
    };
    this.#isRestarting = true;
    if (current === undefined) return begin();
    const ended = () => {
      if (this.#process !== current) return; // killed while it stopped
      this.#die(false);
      begin();
    };
    current.stop().then(ended, (error) => {
      this.#tellGone("node/main", error);
      ended();
    });
  }

  /** A log whose sync failed takes nothing until its process has been restarted. */
  #restartAfterFailedSyncs(downMs: number): void {
    if (this.#restartsDue === 0) return;
    this.#restartsDue--;
    this.note("world", "restartAfterFailedSyncs");
    this.#die(false);
    this.clock.schedule(downMs, () => this.#startIfDown());
  }

  #linkExtraMs(node: string): number {
    const slow = this.#slowUntilMs.get(node);
    return slow !== undefined && this.clock.monotonicMs() < slow.untilMs ? slow.latencyMs : 0;
  }

  protected override healProcesses(): void {
    this.#slowUntilMs.clear();
    this.#slowDisk = { untilMs: 0, latencyMs: 0 };
    this.disk.heal();
    // Ends before it wakes: a microtask of a timer that a stall held cannot be revoked.
    if (this.#restartsDue > 0) this.#die(false);
    this.#restartsDue = 0;
    this.#process?.wake();
    this.#startIfDown();
  }
}
