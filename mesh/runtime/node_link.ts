/**
 * One node's side of the connection to another: what a turn sends goes out as one batch, with one list of buffers to
 * move, because a post to another thread costs the same for one message as for a hundred.
 *
 * A batch is a flat array: the number of frames received so far, then frames, each an operation and its operands.
 */
import type { Address, Message } from "./actor.ts";
import type { Link } from "../ports/transport.ts";
import type { Ask } from "./ask.ts";
import {
  ActorFailedError,
  decodeError,
  encodeError,
  OverloadedError,
  reasonOf,
  type WireError,
} from "./errors.ts";
import type { Node } from "./node.ts";
import { PendingAsks } from "./pending_asks.ts";

const tellFrame = 1; // address, message
const askFrame = 2; // id, address, message, budget ms, chain, trace id
const valueFrame = 3; // id, value
const errorFrame = 4; // id, WireError
const operands = [0, 2, 6, 2, 2];

/** Frames that the other side may have left to read before new ones are refused. */
const framesUnreadMax = 65_536;
/** A reader that has nothing to say still says, this often, how far it has read. */
const framesPerReceipt = 1_024;

export class NodeLink {
  readonly peer: string;
  readonly #node: Node;
  readonly #link: Link;
  #frames: unknown[] = [0];
  #framesInBatch = 0;
  #transfer: Transferable[] = [];
  #transferred = new Set<Transferable>();
  readonly #pending = new PendingAsks();
  #sent = 0;
  #readByPeer = 0;
  #received = 0;
  #receiptSent = 0;
  #dropped = 0;
  #closed = false;

  constructor(node: Node, peer: string, link: Link) {
    this.#node = node;
    this.peer = peer;
    this.#link = link;
    link.onReceive((value) => this.#receive(value as unknown[]));
    link.onClosed((cause) => {
      this.#closed = true;
      node.removeLink(this, cause);
    });
    node.addLink(this);
  }

  /** Told messages refused because the other side does not keep up. */
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
    if (this.#unread >= framesUnreadMax) this.#dropped++;
    else this.#push([tellFrame, address, message], transfer);
  }

  ask(ask: Ask, transfer: readonly Transferable[] | undefined): void {
    if (this.#unread >= framesUnreadMax) {
      this.#node.settleError(
        ask,
        new OverloadedError(ask.address, this.#unread, framesUnreadMax),
      );
      return;
    }
    this.#pending.add(ask);
    const { linkId, address, message, budgetMs, traceId } = ask;
    this.#push([askFrame, linkId, address, message, budgetMs, ask.askers(), traceId], transfer);
  }

  /** Its answer, should it still come, is ignored. */
  forget(ask: Ask): void {
    this.#pending.take(ask.linkId);
  }

  takePending(): Ask[] {
    return this.#pending.takeAll();
  }

  flush(): void {
    if (this.#closed) return;
    if (this.#framesInBatch === 0 && this.#received - this.#receiptSent < framesPerReceipt) return;
    const batch = this.#frames;
    const transfer = this.#transfer;
    this.#frames = [0];
    this.#framesInBatch = 0;
    this.#transfer = [];
    this.#transferred = new Set();
    batch[0] = this.#receiptSent = this.#received;
    try {
      this.#link.send(batch, transfer);
    } catch (error) {
      this.#sendSingly(batch, transfer, error);
    }
  }

  get #unread(): number {
    return this.#sent - this.#readByPeer;
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

  /** Something in the batch cannot be cloned or moved: send the rest, and say which it was. */
  #sendSingly(batch: unknown[], transfer: Transferable[], cause: unknown): void {
    this.#forEachFrame(batch, (frame) => {
      try {
        this.#link.send([this.#received, ...frame], transfer.filter((b) => mentions(frame, b)));
      } catch (error) {
        this.#sent--;
        const reason = `the message cannot be sent to ${this.peer}: ${reasonOf(error)}`;
        if (frame[0] === askFrame) {
          const ask = this.#pending.take(frame[1] as number);
          if (ask) this.#node.settleError(ask, new ActorFailedError(ask.address, reason));
        } else if (frame[0] === valueFrame) {
          const failure = new ActorFailedError(`node/${this.#node.name}`, `answer: ${reason}`);
          this.#push([errorFrame, frame[1], encodeError(failure)], undefined);
          this.#node.scheduleFlush(this);
        } else {
          this.#dropped++;
          this.#node.telemetry.log("error", reason, { batch: reasonOf(cause) });
        }
      }
    });
  }

  #forEachFrame(batch: unknown[], visit: (frame: unknown[]) => void): void {
    for (let at = 1; at < batch.length;) {
      const length = 1 + operands[batch[at] as number];
      visit(batch.slice(at, at + length));
      at += length;
    }
  }

  #receive(batch: unknown[]): void {
    this.#readByPeer = batch[0] as number;
    for (let at = 1; at < batch.length;) {
      this.#received++;
      switch (batch[at]) {
        case tellFrame:
          this.#node.receiveTell(batch[at + 1] as Address, batch[at + 2] as Message);
          break;
        case askFrame:
          this.#receiveAsk(batch, at);
          break;
        case valueFrame: {
          const ask = this.#pending.take(batch[at + 1] as number);
          if (ask) this.#node.settleValue(ask, batch[at + 2]);
          break;
        }
        case errorFrame: {
          const ask = this.#pending.take(batch[at + 1] as number);
          if (ask) this.#node.settleError(ask, decodeError(batch[at + 2] as WireError));
          break;
        }
        default:
          throw new Error(`A batch from ${this.peer} has an unknown frame ${String(batch[at])}`);
      }
      at += 1 + operands[batch[at] as number];
    }
    if (this.#received - this.#receiptSent >= framesPerReceipt) this.#node.scheduleFlush(this);
  }

  #receiveAsk(batch: unknown[], at: number): void {
    const id = batch[at + 1] as number;
    this.#node.receiveAsk(
      batch[at + 2] as Address,
      batch[at + 3] as Message,
      batch[at + 4] as number,
      batch[at + 5] as string[],
      batch[at + 6] as string | undefined,
      (value, transfer) => this.#answer([valueFrame, id, value], transfer),
      (error) => this.#answer([errorFrame, id, encodeError(error)], undefined),
    );
  }

  #answer(frame: unknown[], transfer: readonly Transferable[] | undefined): void {
    if (this.#closed) return;
    this.#push(frame, transfer);
    this.#node.scheduleFlush(this);
  }
}

/** Whether a buffer to move lies in the frame's message, at most one level below its fields. */
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
