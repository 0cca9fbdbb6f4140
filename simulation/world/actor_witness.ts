/**
 * Watches the actors of a world: writes the trace, tells the checkers, and crashes and interrupts
 * actors where faults ask for it.
 */
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { CheckersByHook } from "../checkers/checkers_by_hook.ts";
import { LATE_MS } from "../checkers/prompt_asks.ts";
import type { Interrupt } from "../plan/fault.ts";
import type { Trace } from "../trace/trace.ts";
import type { ActorObserver } from "./observed.ts";

export interface ActorWitnessParts {
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly checkers: CheckersByHook;
  /** A thread stands still from now on. */
  stall(node: string, forMs: number): void;
  /** The process of an interrupt's thread dies, and starts again after its time. */
  dieBy(interrupt: Interrupt): void;
}

export class ActorWitness implements ActorObserver {
  readonly #parts: ActorWitnessParts;
  readonly #crashing = new Set<Address>();
  readonly #interrupts: Interrupt[] = [];
  #lastBegun = { actor: "none", atMs: -Infinity };

  constructor(parts: ActorWitnessParts) {
    this.#parts = parts;
  }

  /** The newest incarnation of any actor, and when it began. */
  get lastBegun(): { readonly actor: string; readonly atMs: number } {
    return this.#lastBegun;
  }

  /** Crashes an actor at its next message. */
  crash(actor: Address): void {
    this.#crashing.add(actor);
  }

  /** Lets an interrupt strike when its message comes. */
  interrupt(interrupt: Interrupt): void {
    this.#interrupts.push(interrupt);
  }

  /** Forgets all crashes and interrupts that have not happened. */
  heal(): void {
    this.#crashing.clear();
    this.#interrupts.length = 0;
  }

  began(actor: Address, host?: string, options?: unknown): void {
    this.#note(laneOf(actor, host), "began");
    this.#lastBegun = { actor, atMs: this.#parts.clock.monotonicMs() };
    for (const checker of this.#parts.checkers.began) checker.began(actor, host, options);
  }

  creates(actor: Address, host?: string): void {
    for (const checker of this.#parts.checkers.creates) checker.creates(actor, host);
  }

  schedules(actor: Address, message: Message, host?: string): void {
    for (const checker of this.#parts.checkers.schedules) checker.schedules(actor, message, host);
  }

  sends(from: Address, to: Address, message: Message, host?: string): void {
    if (from === to) {
      for (const checker of this.#parts.checkers.reminds) checker.reminds(to, message, host);
    }
    this.#parts.trace.sent(this.#parts.clock.monotonicMs(), laneOf(from, host), to, message.kind);
    const interrupt = this.#interruptOf(to, message, true);
    if (interrupt !== undefined) this.#parts.stall(interrupt.node, interrupt.forMs);
  }

  handles(actor: Address, message: Message, host?: string): void {
    this.#note(laneOf(actor, host), message.kind, numberIn(message));
    for (const checker of this.#parts.checkers.handles) checker.handles(actor, message, host);
    if (this.#crashing.delete(actor)) throw new Error("a simulated crash");
    const interrupt = this.#interruptOf(actor, message, false);
    if (interrupt?.effect === "crash") throw new Error("a simulated crash");
    if (interrupt !== undefined) this.#parts.clock.schedule(0, () => this.#parts.dieBy(interrupt));
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
    this.#note("world", `interrupt: ${interrupt.effect}`, 0, `${actor} ${kind}`);
    // Its effects begin now, perhaps long after it was drawn.
    for (const checker of this.#parts.checkers.fault) checker.fault(interrupt);
    return interrupt;
  }

  answers(actor: Address, request: Message, value: unknown, host?: string): void {
    this.#note(laneOf(actor, host), answerTo(request.kind), numberIn(value));
    for (const checker of this.#parts.checkers.answers) {
      checker.answers(actor, request, value, host);
    }
  }

  askLate(from: Address, to: Address, { kind }: Message, lateMs: number): void {
    if (lateMs <= LATE_MS) return;
    for (const checker of this.#parts.checkers.askLate) checker.askLate(from, to, kind, lateMs);
  }

  handledLate(actor: Address, { kind }: Message): void {
    for (const checker of this.#parts.checkers.handledLate) checker.handledLate(actor, kind);
  }

  refuses(actor: Address, request: Message, error: Error, host?: string): void {
    this.#note(laneOf(actor, host), `refuses ${request.kind}`, 0, error.message);
  }

  #note(at: string, kind: string, detail = 0, text?: string): void {
    this.#parts.trace.add(this.#parts.clock.monotonicMs(), at, kind, detail, text);
  }
}

/** The lane of an actor in a trace: hosts of a mesh have actors of the same address in turn. */
function laneOf(actor: Address, host: string | undefined): string {
  return host === undefined ? actor : `${host}:${actor}`;
}

/** Names of answers by the kind of their request. */
const answerNames = new Map<string, string>();

function answerTo(kind: string): string {
  let name = answerNames.get(kind);
  if (name === undefined) answerNames.set(kind, name = `answers ${kind}`);
  return name;
}

/** A number that tells a message or an answer from others of its kind. */
function numberIn(message: unknown): number {
  if (typeof message !== "object" || message === null) return 0;
  const { sequence } = message as { readonly sequence?: unknown };
  return typeof sequence === "number" ? sequence : 0;
}
