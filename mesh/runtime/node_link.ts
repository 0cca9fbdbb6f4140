/**
 * One node's side of the connection to another. Messages of one turn go out as one batch with one
 * list of buffers to move, because a post to another thread costs the same for one message as for a
 * hundred.
 *
 * A batch is a flat array: the number of frames received so far, the sender's monotonic time, then
 * frames, each an operation and its operands.
 *
 * An ask carries its deadline on the sender's clock. The receiver reads it on its own clock by the
 * {@link ClockOffset}, so that time spent on the way or in a stalled thread counts against the
 * budget.
 *
 * The other side may be another process: a batch that is not one closes the link with a reason.
 */
import type { Address, Message } from "./actor.ts";
import type { TraceContext } from "../ports/tracing.ts";
import type { Link } from "../ports/transport.ts";
import type { Ask, AskCarrier } from "./ask.ts";
import { ClockOffset } from "./clock_offset.ts";
import {
  ActorFailedError,
  decodeError,
  encodeError,
  OverloadedError,
  reasonOf,
  type WireError,
} from "./errors.ts";
import type { Node } from "./node.ts";
import { NumberedAsks, PendingAsks } from "./pending_asks.ts";

const TELL = 1; // address, message
// id, address, message, budget ms, deadline on the sender's clock, chain, its serials, trace id
const ASK = 2;
const VALUE = 3; // id, value
const ERROR = 4; // id, WireError
const WITHDRAW = 5; // id of an ask that its asker has given up
/** Operands of each operation, by its number. */
const operandCounts = [0, 2, 8, 2, 2, 1];

/** Numbers at the head of a batch: frames received, monotonic ms. */
const HEAD_LENGTH = 2;

/** Frames that the other side may have left to read before new ones are refused. */
const FRAMES_UNREAD_MAX = 65_536;
/** A receiver without messages of its own reports after this many frames how far it has read. */
const FRAMES_PER_RECEIPT = 1_024;

/** An ask that came over a link. */
export interface ReceivedAsk {
  readonly link: NodeLink;
  /** Its number on the link. */
  readonly id: number;
  readonly address: Address;
  readonly message: Message;
  readonly budgetMs: number;
  /** The end of the budget, monotonic ms on this node's clock. */
  readonly deadlineMs: number;
  /** Addresses of the askers, outermost first. */
  readonly chain: readonly string[];
  /** For each of them, the serial of the ask that it handled; 0 for a told message. */
  readonly chainSerials: readonly number[];
  readonly trace: TraceContext | undefined;
  readonly onValue: (value: unknown, transfer?: readonly Transferable[]) => void;
  readonly onError: (error: unknown) => void;
}

export class NodeLink implements AskCarrier {
  readonly peer: string;
  /** Whether it carries the asks with `bulk` alone. */
  readonly isBulk: boolean;
  readonly #node: Node;
  readonly #link: Link;
  /** The batch of this turn, its head filled in when it is sent. */
  #frames: unknown[] = emptyBatch();
  #framesInBatch = 0;
  #transfer: Transferable[] = [];
  #transferred = new Set<Transferable>();
  readonly #pending = new PendingAsks();
  /** Asks that came and are not settled. */
  readonly #unanswered = new NumberedAsks();
  #sent = 0;
  #readByPeer = 0;
  #received = 0;
  #receiptSent = 0;
  readonly #clockOffset = new ClockOffset();
  #dropped = 0;
  #closed = false;

  constructor(node: Node, peer: string, link: Link, { isBulk = false } = {}) {
    this.#node = node;
    this.peer = peer;
    this.isBulk = isBulk;
    this.#link = link;
    link.onReceive((value) => this.#receive(value as unknown[]));
    link.onClosed((cause) => {
      this.#closed = true;
      node.removeLink(this, cause);
    });
    node.addLink(this);
  }

  /** Told messages that were refused because the other side does not keep up. */
  get dropped(): number {
    return this.#dropped;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.close();
    this.#node.removeLink(this, new Error("the link was closed"));
  }

  tell(address: Address, message: Message, transfer: readonly Transferable[] | undefined): void {
    if (this.#isFull) this.#dropped++;
    else this.#push([TELL, address, message], transfer);
  }

  ask(ask: Ask, transfer: readonly Transferable[] | undefined): void {
    if (this.#isFull) {
      const queue = this.#link.isCongested === true ? `the connection to ${this.peer}` : undefined;
      this.#node.settleError(
        ask,
        new OverloadedError(ask.address, this.#unread, FRAMES_UNREAD_MAX, queue),
      );
      return;
    }
    this.#pending.add(ask);
    ask.sentOver = this;
    const { linkId, address, message, sentAtMs, budgetMs, trace } = ask;
    const deadlineMs = sentAtMs + budgetMs;
    const [chain, serials] = [ask.askers(), ask.askerSerials()];
    this.#push(
      [ASK, linkId, address, message, budgetMs, deadlineMs, chain, serials, trace],
      transfer,
    );
  }

  /** Gives an ask up: its answer, should it still come, is ignored. */
  forget(ask: Ask): void {
    this.#pending.take(ask.linkId);
  }

  /** Gives an ask up, and lets the other node do so. */
  withdraw(ask: Ask): void {
    if (this.#pending.take(ask.linkId) === undefined || this.#closed) return;
    this.#push([WITHDRAW, ask.linkId], undefined);
    this.#node.scheduleFlush(this);
  }

  /** Removes and returns the asks that wait for an answer over this link, oldest first. */
  takePending(): Ask[] {
    return this.#pending.takeAll();
  }

  /** An ask has come: it has its number, by which the other node may give it up. */
  addUnanswered(ask: Ask): void {
    this.#unanswered.add(ask);
  }

  /** Removes and returns the asks that came and are not settled, oldest first. */
  takeUnanswered(): Ask[] {
    return this.#unanswered.takeAll();
  }

  /** Sends the batch, if it has frames or the other side needs a receipt. */
  flush(): void {
    if (this.#closed) return;
    if (this.#framesInBatch === 0 && this.#received - this.#receiptSent < FRAMES_PER_RECEIPT) {
      return;
    }
    const batch = this.#frames;
    const transfer = this.#transfer;
    this.#frames = emptyBatch();
    this.#framesInBatch = 0;
    this.#transfer = [];
    this.#transferred = new Set();
    batch[0] = this.#receiptSent = this.#received;
    batch[1] = this.#node.clock.monotonicMs();
    try {
      this.#link.send(batch, transfer);
    } catch (error) {
      this.#sendSingly(batch, transfer, error);
    }
  }

  get #unread(): number {
    return this.#sent - this.#readByPeer;
  }

  /** The other side, or the way to it, does not keep up. */
  get #isFull(): boolean {
    return this.#unread >= FRAMES_UNREAD_MAX || this.#link.isCongested === true;
  }

  /** The other side sends a message that no node sends. */
  #refuse(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const cause = new Error(`${this.peer} sent a batch that makes no sense: ${reason}`);
    this.#node.telemetry.log("error", `the link to ${this.peer} is closed`, { cause });
    this.#link.close(cause.message);
    this.#node.removeLink(this, cause);
  }

  #push(frame: unknown[], transfer: readonly Transferable[] | undefined): void {
    for (const part of frame) this.#frames.push(part);
    if (transfer) {
      for (const buffer of transfer) {
        if (this.#transferred.has(buffer)) continue;
        this.#transferred.add(buffer);
        this.#transfer.push(buffer);
      }
    }
    this.#framesInBatch++;
    this.#sent++;
  }

  /**
   * Sends frame by frame after a batch could not be cloned or moved, and reports the frames that
   * cannot.
   */
  #sendSingly(batch: unknown[], transfer: Transferable[], cause: unknown): void {
    this.#forEachFrame(batch, (frame) => {
      try {
        const head = [this.#received, this.#node.clock.monotonicMs()];
        this.#link.send([...head, ...frame], transfer.filter((b) => mentions(frame, b)));
      } catch (error) {
        this.#sent--;
        const reason = `the message cannot be sent to ${this.peer}: ${reasonOf(error)}`;
        if (frame[0] === ASK) {
          const ask = this.#pending.take(frame[1] as number);
          if (ask) this.#node.settleError(ask, new ActorFailedError(ask.address, reason));
        } else if (frame[0] === VALUE) {
          const failure = new ActorFailedError(`node/${this.#node.name}`, `answer: ${reason}`);
          this.#push([ERROR, frame[1], encodeError(failure)], undefined);
          this.#node.scheduleFlush(this);
        } else {
          this.#dropped++;
          this.#node.telemetry.log("error", reason, { batch: reasonOf(cause) });
        }
      }
    });
  }

  #forEachFrame(batch: unknown[], visit: (frame: unknown[]) => void): void {
    for (let at = HEAD_LENGTH; at < batch.length;) {
      const length = 1 + operandCounts[batch[at] as number];
      visit(batch.slice(at, at + length));
      at += length;
    }
  }

  #receive(batch: unknown[]): void {
    if (this.#closed) return;
    if (!Array.isArray(batch) || !(batch[0] as number <= this.#sent)) {
      return this.#refuse("it has read more messages than were sent");
    }
    this.#readByPeer = batch[0] as number;
    this.#clockOffset.add(batch[1] as number, this.#node.clock.monotonicMs());
    for (let at = HEAD_LENGTH; at < batch.length;) {
      this.#received++;
      switch (batch[at]) {
        case TELL:
          this.#node.receiveTell(batch[at + 1] as Address, batch[at + 2] as Message);
          break;
        case ASK:
          this.#receiveAsk(batch, at);
          break;
        case WITHDRAW: {
          const ask = this.#unanswered.take(batch[at + 1] as number);
          if (ask) this.#node.dropReceived(ask);
          break;
        }
        case VALUE: {
          const ask = this.#pending.take(batch[at + 1] as number);
          if (ask) this.#node.settleValue(ask, batch[at + 2]);
          break;
        }
        case ERROR: {
          const ask = this.#pending.take(batch[at + 1] as number);
          if (ask) this.#node.settleError(ask, decodeError(batch[at + 2] as WireError));
          break;
        }
        default:
          return this.#refuse(`it has the unknown frame ${String(batch[at])}`);
      }
      at += 1 + operandCounts[batch[at] as number];
    }
    if (this.#received - this.#receiptSent >= FRAMES_PER_RECEIPT) this.#node.scheduleFlush(this);
  }

  #receiveAsk(batch: unknown[], at: number): void {
    const id = batch[at + 1] as number;
    this.#node.receiveAsk({
      link: this,
      id,
      address: batch[at + 2] as Address,
      message: batch[at + 3] as Message,
      budgetMs: batch[at + 4] as number,
      deadlineMs: batch[at + 5] as number + this.#clockOffset.ms,
      chain: batch[at + 6] as string[],
      chainSerials: batch[at + 7] as number[],
      trace: batch[at + 8] as TraceContext | undefined,
      onValue: (value, transfer) => this.#answer(id, [VALUE, id, value], transfer),
      onError: (error) => this.#answer(id, [ERROR, id, encodeError(error)], undefined),
    });
  }

  #answer(
    id: number,
    frame: unknown[],
    transfer: readonly Transferable[] | undefined,
  ): void {
    this.#unanswered.take(id);
    if (this.#closed) return;
    this.#push(frame, transfer);
    this.#node.scheduleFlush(this);
  }
}

function emptyBatch(): unknown[] {
  return [0, 0];
}

/** Whether the frame's message holds the buffer, at most one level below its fields. */
function mentions(frame: unknown[], buffer: Transferable): boolean {
  const holds = (value: unknown): boolean =>
    value === buffer || (ArrayBuffer.isView(value) && value.buffer === buffer);
  return frame.some((part) =>
    holds(part) ||
    (typeof part === "object" && part !== null && Object.values(part).some((field) =>
      holds(field) ||
      (typeof field === "object" && field !== null && !ArrayBuffer.isView(field) &&
        Object.values(field).some(holds))
    ))
  );
}
