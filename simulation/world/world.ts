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
import { describeFault, type Fault, type HangUps, type Interrupt } from "../plan/fault.ts";
import type { RunConditions } from "../plan/run_conditions.ts";
import { Trace } from "../trace/trace.ts";
import type { Reply, SentRequest } from "./client.ts";
import { OpenRequest } from "./open_request.ts";
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

/** A client hangs up after this, ms, unless a fault makes it less patient. */
const PATIENCE_MS = 30_000;

/** An answer as it crosses the network. */
export interface Exchange {
  readonly status: number;
  readonly body: unknown;
}

/** Until when clients hang up, and after how long, ms. */
const PATIENT = { untilMs: 0, afterMs: PATIENCE_MS };

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
  #impatience = PATIENT;

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
  protected abstract strike(fault: Exclude<Fault, HangUps>): void;

  /** A thread stands still from now on. */
  protected abstract stall(node: string, forMs: number): void;

  /** The process of an interrupt's thread dies, and starts again after its time. */
  protected abstract dieBy(interrupt: Interrupt): void;

  /** Ends all faults and starts each process that is down. */
  protected abstract healProcesses(): void;

  /** Sends a request to a process; undefined where no answer came. */
  protected abstract fetch(request: OpenRequest): Promise<Exchange | undefined>;

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
    for (const fault of faults) this.clock.schedule(fault.atMs, () => this.begin(fault));
  }

  /** Makes a fault happen now, unless the world has healed, and tells the checkers. */
  protected begin(fault: Fault): void {
    if (!this.#running) return;
    this.note("world", fault.kind, fault.atMs, describeFault(fault));
    for (const checker of this.checkers.fault) checker.fault(fault);
    if (fault.kind === "hangUps") this.#hangUps(fault);
    else this.strike(fault);
  }

  /** Ends all faults and starts the stopped processes. Clients end their work. */
  heal(): void {
    this.witness.heal();
    this.#impatience = PATIENT;
    this.#running = false;
    this.healProcesses();
  }

  // ---- clients

  /** Whether clients may hang up on the next request. */
  get areImpatient(): boolean {
    return this.clock.monotonicMs() < this.#impatience.untilMs;
  }

  #hangUps({ forMs, afterMs }: HangUps): void {
    this.#impatience = { untilMs: this.clock.monotonicMs() + forMs, afterMs };
  }

  /** Sends a request; undefined where no answer came before the client hung up. */
  async exchange(request: Request, sent: SentRequest): Promise<Exchange | undefined> {
    const open = new OpenRequest(request, (wallMs) => {
      for (const checker of this.checkers.hungUp) checker.hungUp(sent, wallMs);
    });
    let isOver = false;
    const answer = this.fetch(open).finally(() => isOver = true);
    const patienceMs = this.areImpatient ? this.#impatience.afterMs : PATIENCE_MS;
    const patience = this.sleep(patienceMs).then(() => {
      if (!isOver) open.hangUp();
      return undefined;
    });
    return await Promise.race([answer, patience]);
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
