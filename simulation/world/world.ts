/**
 * A simulated world: virtual time, clients, the faults of a plan, and the checkers that watch.
 * Subclasses are worlds of one process and of several hosts. The
 * actors, the gateway and their composition are those of production.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import type { ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { Checker, CheckerContext, CheckerFactory } from "../checkers/checker.ts";
import { CheckersByHook } from "../checkers/checkers_by_hook.ts";
import { LATE_MS } from "../checkers/prompt_asks.ts";
import type { BlobObserver } from "../disk/blob_witness.ts";
import type { LogObserver } from "../disk/log_witness.ts";
import { describeFault, type Fault, type Interrupt } from "../plan/fault.ts";
import type { RunConditions } from "../plan/run_conditions.ts";
import { Trace } from "../trace/trace.ts";
import type { Reply } from "./client.ts";
import { ActorWitness } from "./actor_witness.ts";
import type { PendingAsk } from "./observed.ts";
import { WorldTelemetry } from "./world_telemetry.ts";

/** The parts of any world. */
export interface WorldOptions extends RunConditions {
  /** The configuration at the first start. */
  readonly configuration: CairnConfiguration;
  /** The configuration with these values changed, by path. */
  readonly reconfigure: (values: Readonly<Record<string, unknown>>) => CairnConfiguration;
  /** Events that a report may list. */
  readonly traceEventsMax: number;
}

/** A promise that did not hold. */
export interface Violation {
  readonly checker: string;
  readonly message: string;
  readonly atMs: number;
}

/** A client gives up on an answer after this, ms. */
const CLIENT_TIMEOUT_MS = 30_000;

/** An answer as it crosses the network. */
export interface Exchange {
  readonly status: number;
  readonly body: unknown;
}

/** The world of one run. */
export abstract class World {
  readonly clock = new VirtualClock();
  readonly trace: Trace;
  readonly telemetry = new WorldTelemetry();
  protected readonly checkers = new CheckersByHook();
  /** Watches the actors, and crashes and interrupts them as faults ask for. */
  readonly witness: ActorWitness;
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  #violation: Violation | undefined;
  #running = true;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.trace = new Trace(options.traceEventsMax);
    this.witness = new ActorWitness({
      clock: this.clock,
      trace: this.trace,
      checkers: this.checkers,
      stall: (node, forMs) => this.stall(node, forMs),
      dieBy: (interrupt) => this.dieBy(interrupt),
    });
    this.telemetry.onLine = (level, message, reason) => {
      this.note("log lines", level, 0, message);
      for (const checker of this.checkers.logged) checker.logged(message, reason);
    };
  }

  /** The configuration of the processes that run, or of the next ones. */
  abstract get configuration(): CairnConfiguration;

  /** Whether mailboxes are smaller than in production. */
  get isNarrow(): boolean {
    return this.#options.shardMailboxMax !== undefined;
  }

  /** Starts every process. */
  abstract start(): void;

  /** Makes a fault happen. */
  protected abstract strike(fault: Fault): void;

  /** A thread stands still from now on. */
  protected abstract stall(node: string, forMs: number): void;

  /** The process of an interrupt's thread dies, and starts again after its time. */
  protected abstract dieBy(interrupt: Interrupt): void;

  /** Ends all faults and starts each process that is down. */
  protected abstract healProcesses(): void;

  /** Sends a request to a process; undefined where no answer came. */
  protected abstract fetch(request: Request): Promise<Exchange | undefined>;

  /** Asks of actors that live and that should have ended so long ago. */
  protected abstract overdueAsks(lateMs: number): readonly PendingAsk[];

  /** Ends every process at once, after the run. */
  abstract kill(): void;

  /**
   * A handle to an actor, for clients that speak no HTTP. While its process is down asks fail, and
   * tells are lost.
   */
  abstract actor<M extends Message>(address: Address): ActorRef<M>;

  /** Adds checkers; called before the world starts. */
  watch(factories: readonly CheckerFactory[]): void {
    for (const create of factories) this.checkers.add(this.#watched(create));
  }

  #watched(create: CheckerFactory): Checker {
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

  /** The newest incarnation of any actor, and when it began. */
  get lastBegun(): { readonly actor: string; readonly atMs: number } {
    return this.witness.lastBegun;
  }

  /** Mean latencies of links and syncs, without faults. */
  get latencies(): { readonly linkMs: number; readonly syncMs: number } {
    return this.#options;
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

  // ---- faults

  /** Makes the faults of a plan happen when their time comes. */
  plan(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.clock.schedule(fault.atMs, () => {
        if (!this.#running) return;
        this.note("world", fault.kind, fault.atMs, describeFault(fault));
        for (const checker of this.checkers.fault) checker.fault(fault);
        this.strike(fault);
      });
    }
  }

  /** Ends all faults and starts the stopped processes. Clients end their work. */
  heal(): void {
    this.witness.heal();
    this.#running = false;
    this.healProcesses();
  }

  // ---- clients

  /** Sends a request; undefined where no answer came. */
  async exchange(request: Request): Promise<Exchange | undefined> {
    return await Promise.race([
      this.fetch(request),
      this.sleep(CLIENT_TIMEOUT_MS).then(() => undefined),
    ]);
  }

  /** A client has an answer. */
  replied(reply: Reply): void {
    this.note(`client/${reply.client}`, `${reply.method} ${reply.path}`, reply.status);
    for (const checker of this.checkers.replied) checker.replied(reply);
  }

  /** After the last event: the promises about the end of a run. */
  async checkEnd(): Promise<void> {
    for (const ask of this.overdueAsks(LATE_MS)) {
      this.witness.askLate(ask.from, ask.to, ask.request, ask.overdueMs());
    }
    for (const checker of this.checkers.atEnd) await checker.atEnd();
  }

  // ---- stores

  /** Notes the changes of a world's blobs, and tells the checkers. */
  protected readonly blobChanges: Required<BlobObserver> = {
    blobStored: (name, bytes) => {
      this.note("blobs", "stored", bytes.byteLength, name);
      for (const checker of this.checkers.blobStored) checker.blobStored(name, bytes);
    },
    blobDeleted: (name) => {
      this.note("blobs", "deleted", 0, name);
      for (const checker of this.checkers.blobDeleted) checker.blobDeleted(name);
    },
  };

  /**
   * Notes the changes of a world's logs, and tells the checkers.
   *
   * @param lane Beginning of the lanes' names.
   */
  protected logChanges(lane: string): Required<LogObserver> {
    return {
      durable: (log, partition, records, first) => {
        this.note(`${lane}/${log}/${partition}`, "durable", first + records.length);
        for (const checker of this.checkers.durable) {
          checker.durable(log, partition, records, first);
        }
      },
      trimmed: (log, partition, offset) => {
        this.note(`${lane}/${log}/${partition}`, "trimmed", offset);
        for (const checker of this.checkers.trimmed) checker.trimmed(log, partition, offset);
      },
    };
  }
}
