/**
 * A simulated world: one server process over a disk that outlives it, its threads as nodes with
 * links between them, clients, and the faults of a plan. The actors, the gateway and their
 * composition are those of production.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import type { ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { Checker, CheckerContext, CheckerFactory } from "../checkers/checker.ts";
import { MachineDisk } from "../disk/machine_disk.ts";
import { LATE_MS } from "../checkers/prompt_asks.ts";
import { KeyedHash } from "../keyed_hash.ts";
import { describeFault, type Fault, type Interrupt } from "../plan/fault.ts";
import { Trace } from "../trace/trace.ts";
import type { Reply } from "./client.ts";
import type { ActorObserver } from "./observed.ts";
import type { Program } from "./program.ts";
import { SimulatedProcess } from "./simulated_process.ts";
import { WorldTelemetry } from "./world_telemetry.ts";

/** The parts of a world. */
export interface WorldOptions {
  readonly seed: number;
  readonly program: Program;
  /** The configuration at the first start. */
  readonly configuration: CairnConfiguration;
  /** The configuration with these values changed, by path. */
  readonly reconfigure: (values: Readonly<Record<string, unknown>>) => CairnConfiguration;
  readonly checkers: (world: World) => readonly CheckerFactory[];
  /** Events kept for a report. */
  readonly traceEventsMax: number;
  /** Mean latency of a batch of messages between two threads, ms. */
  readonly linkMs: number;
  /** Mean latency of a sync, ms. */
  readonly syncMs: number;
  /** Messages that a thread handles before its event loop has a turn. */
  readonly turnMessagesMax: number;
  /** A segment of a log that would grow past this is followed by a new one, bytes. */
  readonly segmentBytesMax: number;
}

/** A promise that did not hold. */
export interface Violation {
  readonly checker: string;
  readonly message: string;
  readonly atMs: number;
}

/** Pause before a process that died by itself is started again, ms: a service manager's. */
const SUPERVISOR_MS = 1_000;
/** A client gives up on an answer after this, ms. */
const CLIENT_TIMEOUT_MS = 30_000;

/** An answer as it crosses the network. */
export interface Exchange {
  readonly status: number;
  readonly body: unknown;
}

/** The world of one run. */
export class World implements ActorObserver {
  readonly clock = new VirtualClock();
  readonly trace: Trace;
  readonly telemetry = new WorldTelemetry();
  readonly disk: MachineDisk;
  readonly profiles: MemoryProfileStore;
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  readonly #checkers: Checker[] = [];
  readonly #crashing = new Set<Address>();
  readonly #slowUntilMs = new Map<string, { untilMs: number; latencyMs: number }>();
  #configuration: CairnConfiguration;
  #process: SimulatedProcess | undefined;
  #incarnations = 0;
  /** Restarts that failed syncs ask for. */
  #restartsDue = 0;
  #slowDisk = { untilMs: 0, latencyMs: 0 };
  #violation: Violation | undefined;
  #lastBegun = { actor: "none", atMs: -Infinity };
  #running = true;
  #isRestarting = false;
  readonly #interrupts: Interrupt[] = [];

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#configuration = options.configuration;
    this.#random = new SeededRandom(options.seed);
    this.trace = new Trace(options.traceEventsMax);
    this.profiles = new MemoryProfileStore(this.clock);
    this.disk = new MachineDisk({
      durable: (log, partition, records, first) => {
        this.note(`log/${log}/${partition}`, "durable", first + records.length);
        for (const checker of this.#checkers) checker.durable?.(log, partition, records, first);
      },
      trimmed: (log, partition, offset) => {
        this.note(`log/${log}/${partition}`, "trimmed", offset);
        for (const checker of this.#checkers) checker.trimmed?.(log, partition, offset);
      },
      lost: (operations) => this.note("disk", "lost", operations),
      blobStored: (name, bytes) => {
        this.note("blobs", "stored", bytes.byteLength, name);
        for (const checker of this.#checkers) checker.blobStored?.(name, bytes);
      },
      blobDeleted: (name) => {
        this.note("blobs", "deleted", 0, name);
        for (const checker of this.#checkers) checker.blobDeleted?.(name);
      },
    });
    this.telemetry.onLine = (level, message, reason) => {
      this.note("log lines", level, 0, message);
      for (const checker of this.#checkers) checker.logged?.(message, reason);
    };
    for (const create of options.checkers(this)) this.#checkers.push(this.#watch(create));
  }

  #watch(create: CheckerFactory): Checker {
    let checker: Checker | undefined = undefined;
    const context: CheckerContext = {
      nowMs: () => this.clock.monotonicMs(),
      fail: (message) => {
        this.#violation ??= {
          checker: checker?.name ?? "checker",
          message,
          atMs: this.clock.monotonicMs(),
        };
      },
    };
    return checker = create(context);
  }

  /** The first promise that did not hold. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** False once clients should go home. */
  get running(): boolean {
    return this.#running;
  }

  /** The configuration of the process that runs, or of the next one. */
  get configuration(): CairnConfiguration {
    return this.#configuration;
  }

  /** The newest incarnation of any actor, and when it began. */
  get lastBegun(): { readonly actor: string; readonly atMs: number } {
    return this.#lastBegun;
  }

  /** Mean latencies of links and syncs, without faults. */
  get latencies(): { readonly linkMs: number; readonly syncMs: number } {
    return this.#options;
  }

  /** The process that runs; undefined while it is down. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Whether the process is being stopped, or is down, and starts again in a moment. */
  get isRestarting(): boolean {
    return this.#isRestarting;
  }

  /**
   * A handle to an actor, for clients that speak no HTTP. While the process is down its asks fail
   * and its tells are lost.
   */
  actor<M extends Message>(address: Address): ActorRef<M> {
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

  /** A stream of randomness that no other purpose draws from. */
  random(purpose: string): RandomStream {
    return this.#random.stream(purpose);
  }

  /** Adds an event to the trace. */
  note(at: string, kind: string, detail = 0, text?: string): void {
    this.trace.add(this.clock.monotonicMs(), at, kind, detail, text);
  }

  /** Resolves after so much virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.schedule(ms, resolve));
  }

  // ---- the process

  /** Starts the process. One that fails to start is started again, as by a service manager. */
  start(): void {
    const { seed, linkMs, syncMs, turnMessagesMax, segmentBytesMax } = this.#options;
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
      observer: this,
      linkMs,
      linkExtraMs: (node) => this.#linkExtraMs(node),
      syncMs,
      syncExtraMs: () =>
        this.clock.monotonicMs() < this.#slowDisk.untilMs ? this.#slowDisk.latencyMs : 0,
      turnMessagesMax,
      segmentBytesMax,
      callbackRan: () => this.note("world", "callback"),
      onFatal: (actor, error) => this.#fatal(current, actor, error),
      onExceeded: (actor, error) => this.#tellGone(actor, error),
    });
    this.#process = current;
    this.note("world", "start", incarnation);
    for (const checker of this.#checkers) checker.processBegan?.();
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
    for (const checker of this.#checkers) checker.actorGone?.(actor, reasonOf(error));
  }

  #die(power: boolean): void {
    const current = this.#process;
    if (current === undefined) return;
    this.#process = undefined;
    current.kill();
    for (const faults of Object.values(this.disk.faults)) faults.flipsNextRead = false;
    if (power) this.disk.losePower(new KeyedHash(this.#options.seed, "unsynced"));
    for (const checker of this.#checkers) checker.processDied?.();
  }

  #startIfDown(): void {
    if (this.#process !== undefined) return;
    this.#isRestarting = false;
    this.start();
  }

  // ---- faults

  /** Makes the faults of a plan happen when their time comes. */
  plan(faults: readonly Fault[]): void {
    for (const fault of faults) this.clock.schedule(fault.atMs, () => this.#strike(fault));
  }

  #strike(fault: Fault): void {
    if (!this.#running) return;
    this.note("world", fault.kind, fault.atMs, describeFault(fault));
    for (const checker of this.#checkers) checker.fault?.(fault);
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
        this.#crashing.add(fault.actor as Address);
        return;
      case "stallNode":
        this.#process?.stall(fault.node, fault.forMs);
        return;
      case "interrupt":
        this.#interrupts.push(fault);
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
        this.clock.stepWall(fault.byMs);
        return;
      default:
        fault satisfies never;
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

  /** Ends all faults and starts the process where it is down. Clients go on. */
  heal(): void {
    this.#crashing.clear();
    this.#interrupts.length = 0;
    this.#slowUntilMs.clear();
    this.#slowDisk = { untilMs: 0, latencyMs: 0 };
    this.disk.heal();
    this.#process?.wake();
    this.#running = false;
    if (this.#restartsDue > 0) this.#die(false);
    this.#restartsDue = 0;
    this.#startIfDown();
  }

  // ---- clients

  /** Sends a request; undefined where no answer came. */
  async exchange(request: Request): Promise<Exchange | undefined> {
    const current = this.#process;
    if (current === undefined) {
      await this.sleep(1);
      return undefined;
    }
    return await Promise.race([
      current.fetch(request),
      current.died.then(() => undefined),
      this.sleep(CLIENT_TIMEOUT_MS).then(() => undefined),
    ]);
  }

  /** A client has an answer. */
  replied(reply: Reply): void {
    this.note(`client/${reply.client}`, `${reply.method} ${reply.path}`, reply.status);
    for (const checker of this.#checkers) checker.replied?.(reply);
  }

  /** After the last event: the promises about the end of a run. */
  async checkEnd(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    for (const ask of this.#process?.overdueAsks(LATE_MS) ?? []) {
      this.askLate(ask.from, ask.to, ask.request, nowMs - ask.dueAtMs);
    }
    for (const checker of this.#checkers) await checker.atEnd?.();
  }

  // ---- actors

  began(actor: Address): void {
    this.note(actor, "began");
    this.#lastBegun = { actor, atMs: this.clock.monotonicMs() };
    for (const checker of this.#checkers) checker.began?.(actor);
  }

  sends(from: Address, to: Address, message: Message): void {
    this.trace.sent(this.clock.monotonicMs(), from, to, message.kind);
    const interrupt = this.#interruptOf(to, message, true);
    if (interrupt !== undefined) this.#process?.stall(interrupt.node, interrupt.forMs);
  }

  handles(actor: Address, message: Message): void {
    this.note(actor, message.kind, numberIn(message));
    for (const checker of this.#checkers) checker.handles?.(actor, message);
    if (this.#crashing.delete(actor)) throw new Error("a simulated crash");
    const interrupt = this.#interruptOf(actor, message, false);
    if (interrupt?.effect === "crash") throw new Error("a simulated crash");
    if (interrupt !== undefined) this.clock.schedule(0, () => this.#dieBy(interrupt));
  }

  /** The interrupt that waits for this message; it strikes once. */
  #interruptOf(actor: Address, { kind }: Message, isSent: boolean): Interrupt | undefined {
    if (this.#interrupts.length === 0) return undefined;
    const index = this.#interrupts.findIndex((each) =>
      each.actor === actor && (each.message ?? kind) === kind &&
      (each.effect === "stall") === isSent
    );
    if (index < 0) return undefined;
    const [interrupt] = this.#interrupts.splice(index, 1);
    this.note("world", `interrupt: ${interrupt.effect}`, 0, `${actor} ${kind}`);
    // Its effects begin now, perhaps long after it was drawn.
    for (const checker of this.#checkers) checker.fault?.(interrupt);
    return interrupt;
  }

  #dieBy({ effect, forMs }: Interrupt): void {
    if (this.#process === undefined) return;
    this.#die(effect === "power");
    this.clock.schedule(forMs, () => this.#startIfDown());
  }

  answers(actor: Address, request: Message, value: unknown): void {
    for (const checker of this.#checkers) checker.answers?.(actor, request, value);
  }

  askLate(from: Address, to: Address, { kind }: Message, lateMs: number): void {
    if (lateMs <= LATE_MS) return;
    for (const checker of this.#checkers) checker.askLate?.(from, to, kind, lateMs);
  }

  handledLate(actor: Address, { kind }: Message): void {
    for (const checker of this.#checkers) checker.handledLate?.(actor, kind);
  }

  refuses(actor: Address, request: Message, error: Error): void {
    this.note(actor, `refuses ${request.kind}`, 0, error.message);
  }
}

/** A number that tells a message from others of its kind. */
function numberIn(message: Message): number {
  const { sequence } = message as { readonly sequence?: unknown };
  return typeof sequence === "number" ? sequence : 0;
}
