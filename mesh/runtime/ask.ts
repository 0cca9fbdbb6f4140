/**
 * A request on its way: its asker, its deadline, and how far it has come, which is the content of a
 * timeout's error.
 */
import type { Address, Message, Priority } from "./actor.ts";
import type { Clock } from "../ports/clock.ts";
import type { CancelSignal } from "./cancel_signal.ts";
import type { Span, TraceContext, Tracing } from "../ports/tracing.ts";
import type { AskProgress } from "./errors.ts";

/** The receiver of an ask, as far as a timeout's error describes it. */
export interface AskReceiver {
  readonly address: Address;
  readonly nodeName: string;
  /** Messages that its mailbox holds per priority. */
  readonly capacity: number;
  /** The address of the newest ask that its handler waits for. */
  readonly waitingFor: string | undefined;
}

/** The incarnation that asks. */
export interface AskSender {
  readonly address: string;
  askSent(address: string): void;
  /** Called once when the ask is settled. */
  askSettled(): void;
}

/** The link over which an ask went to its receiver's node. */
export interface AskCarrier {
  /** Ignores the answer, should it still come. */
  forget(ask: Ask): void;
  /** Ignores the answer, and lets the other node give the ask up. */
  withdraw(ask: Ask): void;
}

/** The node that handles an ask. */
export interface HandlingNode {
  readonly name: string;
  readonly clock: Clock;
  readonly tracing: Tracing;
}

/** The fields that an ask is made with. */
export interface AskOrigin {
  readonly address: Address;
  readonly message: Message;
  /** Monotonic ms on this node's clock. */
  readonly sentAtMs: number;
  readonly budgetMs: number;
  /** The time at which this node gives the ask up, monotonic ms on its clock. */
  readonly deadlineMs: number;
  /** The node that answers. */
  readonly nodeName: string;
  /** Undefined where the asker is no actor of this node. */
  readonly sender: AskSender | undefined;
  /** The request that the sender was handling: leads to the rest of the chain of askers. */
  readonly parent: Ask | undefined;
  /** Askers before this node, outermost first, when the ask came over a link. */
  readonly remoteChain: readonly string[] | undefined;
  /** Numbers of the asks that these askers handled when they asked; 0 for a told message. */
  readonly remoteSerials?: readonly number[] | undefined;
  /** The trace of the first asker, where it named one. */
  readonly trace: TraceContext | undefined;
  readonly signals?: readonly CancelSignal[] | undefined;
  readonly onValue: (value: unknown, transfer?: readonly Transferable[]) => void;
  readonly onError: (error: unknown) => void;
}

let asksMade = 0;

/**
 * It is the signal of the asks that are made to answer it. It is no subclass of `Cancellation`,
 * whose constructor would add a tenth to the time of a local ask.
 */
export class Ask implements CancelSignal {
  /** Tells it from the other asks of its thread. */
  readonly serial = ++asksMade;
  readonly address: Address;
  readonly message: Message;
  readonly sentAtMs: number;
  readonly budgetMs: number;
  readonly deadlineMs: number;
  readonly nodeName: string;
  readonly sender: AskSender | undefined;
  readonly parent: Ask | undefined;
  readonly remoteChain: readonly string[] | undefined;
  readonly remoteSerials: readonly number[] | undefined;
  readonly trace: TraceContext | undefined;
  readonly signals: readonly CancelSignal[] | undefined;
  readonly onValue: (value: unknown, transfer?: readonly Transferable[]) => void;
  readonly onError: (error: unknown) => void;

  settled = false;
  aborted = false;
  onabort: (() => void) | null = null;
  asks: Ask[] | undefined = undefined;
  /** No signal cancels it any more, and it cancels no ask. */
  shielded = false;
  /** Messages ahead of it when it was queued. */
  behind = 0;
  /** The queue that it waits for under back-pressure. */
  priority: Priority = "read";
  /** Monotonic ms; NaN until the handler began. */
  startedAtMs = NaN;
  receiver: AskReceiver | undefined = undefined;
  /** The span of its handling, where its trace is recorded. */
  span: Span | undefined = undefined;

  /** Its number on the link over which it went or came; see pending_asks.ts. */
  linkId = 0;
  /** The link over which it went. */
  sentOver: AskCarrier | undefined = undefined;

  // The deadline wheel's list; see deadline_wheel.ts.
  wheelIndex = -1;
  wheelNext: Ask | undefined = undefined;
  wheelPrevious: Ask | undefined = undefined;

  constructor(origin: AskOrigin) {
    this.address = origin.address;
    this.message = origin.message;
    this.sentAtMs = origin.sentAtMs;
    this.budgetMs = origin.budgetMs;
    this.deadlineMs = origin.deadlineMs;
    this.nodeName = origin.nodeName;
    this.sender = origin.sender;
    this.parent = origin.parent;
    this.remoteChain = origin.remoteChain;
    this.remoteSerials = origin.remoteSerials;
    this.trace = origin.trace;
    this.signals = origin.signals;
    this.onValue = origin.onValue;
    this.onError = origin.onError;
  }

  /**
   * Begins the span of its handling, which counts from when the ask was sent, as far as this node
   * knows.
   */
  beginSpan({ name, clock, tracing }: HandlingNode, nowMs: number): void {
    const queuedMs = nowMs - this.sentAtMs;
    const [kind] = this.address.split("/");
    this.span = tracing.begin(`${kind} ${this.message.kind}`, {
      parent: this.trace,
      startedAtMs: clock.nowMs() - queuedMs,
      attributes: {
        "cairn.actor": this.address,
        "cairn.node": name,
        "cairn.queued_ms": queuedMs,
      },
    });
  }

  /** Its asker has given it up. A shielded one goes on without it. */
  abort(): void {
    if (this.shielded) return;
    this.aborted = true;
    this.onabort?.();
  }

  /** The trace of the asks and log lines of its handler. */
  get innerTrace(): TraceContext | undefined {
    return this.span?.context ?? this.trace;
  }

  /** Addresses of the askers, outermost first, without the receiver. */
  askers(): string[] {
    const askers = this.remoteChain
      ? [...this.remoteChain]
      : this.parent
      ? this.parent.askers()
      : [];
    if (this.sender) askers.push(this.sender.address);
    return askers;
  }

  /** For each of the {@link askers}, the serial of the ask that it handled; 0 for a tell. */
  askerSerials(): number[] {
    const serials = this.remoteSerials
      ? [...this.remoteSerials]
      : this.parent
      ? this.parent.askerSerials()
      : [];
    if (this.sender) serials.push(this.parent?.serial ?? 0);
    return serials;
  }

  /** Addresses of the askers, outermost first, and of the receiver. */
  chain(): string[] {
    return [...this.askers(), this.address];
  }

  /**
   * Whether its asker was handling the request, or a request that waits for that one, on this node
   * or on others.
   */
  isPartOf(request: Ask | undefined): boolean {
    if (!request) return false;
    // deno-lint-ignore no-this-alias -- walks the chain that begins here
    let outermost: Ask = this;
    for (let asker = this.parent; asker; asker = asker.parent) {
      if (asker === request) return true;
      outermost = asker;
    }
    const { remoteChain, remoteSerials } = outermost;
    return remoteChain?.some((address, i) =>
      address === request.address && remoteSerials?.[i] === request.serial
    ) ?? false;
  }

  /** How far it has come, for the error of a timeout. */
  progress(nowMs: number): AskProgress {
    const chain = this.chain();
    const receiver = this.receiver;
    if (!receiver) return { budgetMs: this.budgetMs, node: this.nodeName, chain };
    const handled = !Number.isNaN(this.startedAtMs);
    const waitingFor = handled ? receiver.waitingFor : undefined;
    return {
      budgetMs: this.budgetMs,
      node: receiver.nodeName,
      queuedMs: (handled ? this.startedAtMs : nowMs) - this.sentAtMs,
      behind: this.behind,
      capacity: receiver.capacity,
      ...(handled ? { handlerMs: nowMs - this.startedAtMs } : {}),
      ...(waitingFor === undefined ? {} : { waitingFor }),
      chain,
    };
  }
}
