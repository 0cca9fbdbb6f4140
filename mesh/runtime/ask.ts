/**
 * A request on its way: who asked, until when, and what became of it so far, which is what a timeout reports.
 */
import type { Address, Message, Priority } from "./actor.ts";
import type { AskProgress } from "./errors.ts";

/** The receiver's side of an ask, as far as a timeout needs to know it. */
export interface AskReceiver {
  readonly address: Address;
  readonly nodeName: string;
  readonly capacity: number;
  /** The address of the newest ask that its handler waits for. */
  readonly waitingFor: string | undefined;
}

/** The asker's side. */
export interface AskSender {
  readonly address: string;
  /** Called once when the ask is settled. */
  askSettled(): void;
}

export class Ask {
  settled = false;
  /** Messages ahead of it when it was queued. */
  behind = 0;
  /** Kept for asks that wait for a place in the mailbox. */
  priority: Priority = "read";
  /** Monotonic ms; NaN until the handler began. */
  startedAtMs = NaN;
  receiver: AskReceiver | undefined = undefined;

  /** Its number on the link over which it went; see pending_asks.ts. */
  linkId = 0;

  // The deadline wheel's list; see deadline_wheel.ts.
  wheelSlot = -1;
  wheelNext: Ask | undefined = undefined;
  wheelPrevious: Ask | undefined = undefined;

  constructor(
    readonly address: Address,
    readonly message: Message,
    readonly sentAtMs: number,
    readonly budgetMs: number,
    /** Monotonic ms on this node's clock. */
    readonly deadlineMs: number,
    /** The node that answers. */
    readonly nodeName: string,
    readonly sender: AskSender | undefined,
    /** The request that the sender was handling: the link to the rest of the chain. */
    readonly parent: Ask | undefined,
    /** Askers before this node, outermost first, when the ask came over a link. */
    readonly remoteChain: readonly string[] | undefined,
    /** W3C trace id, where the first asker named one. */
    readonly traceId: string | undefined,
    readonly onValue: (value: unknown, transfer?: readonly Transferable[]) => void,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Askers, outermost first, without the receiver. */
  askers(): string[] {
    const askers = this.remoteChain
      ? [...this.remoteChain]
      : this.parent
      ? this.parent.askers()
      : [];
    if (this.sender) askers.push(this.sender.address);
    return askers;
  }

  chain(): string[] {
    return [...this.askers(), this.address];
  }

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
