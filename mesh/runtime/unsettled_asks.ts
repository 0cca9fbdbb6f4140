/**
 * All asks of a node that are not settled: sent from here or received over a link. An ask is
 * settled once, by an answer, an error, its deadline, or because its asker gives it up: the asker
 * has ended, or cancels it. An ask that is given up before it is handled is never handled, and the
 * asks that its handler has made with its signal are cancelled.
 */
import type { Clock } from "../ports/clock.ts";
import type { Address } from "./actor.ts";
import { ActorCell } from "./actor_cell.ts";
import type { CellContext } from "./actor_context.ts";
import type { Ask } from "./ask.ts";
import { DeadlineWheel } from "./deadline_wheel.ts";
import { areAborted, type CancelSignal } from "./cancel_signal.ts";
import { ActorFailedError, AskCancelledError, AskTimeoutError } from "./errors.ts";
import type { NodeLink } from "./node_link.ts";

export class UnsettledAsks {
  readonly #clock: Clock;
  readonly #wheel: DeadlineWheel;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wheel = new DeadlineWheel(clock, (ask) => this.expire(ask));
  }

  add(ask: Ask): void {
    ask.sender?.askSent(ask.address);
    this.#wheel.add(ask);
    if (ask.signals === undefined) return;
    for (const signal of ask.signals) signal.onabort ??= () => this.#cancel(signal);
  }

  settleValue(ask: Ask, value: unknown, transfer?: readonly Transferable[]): void {
    if (!this.#settle(ask)) return;
    ask.span?.end();
    ask.onValue(value, transfer);
  }

  settleError(ask: Ask, error: Error): void {
    if (!this.#settle(ask)) return;
    ask.span?.fail(error.message);
    ask.span?.end();
    ask.onError(error);
  }

  /** The budget has run out: settles the ask with an error that says where the time went. */
  expire(ask: Ask): void {
    if (ask.settled) return;
    const error = new AskTimeoutError(ask.address, ask.progress(this.#clock.monotonicMs()));
    if (!ask.receiver) ask.sentOver?.forget(ask);
    this.settleError(ask, error);
    tellReceiver(ask);
  }

  /** The incarnation has ended: its asks are given up, on other nodes too. */
  withdraw(sender: CellContext): void {
    const reason = `${sender.address}, which asked, has been restarted or stopped`;
    for (const ask of this.#wheel.filter((ask) => ask.sender === sender)) {
      this.#giveUp(ask, new ActorFailedError(ask.address, reason));
    }
  }

  /** The signal is aborted: the asks are given up that have no other one. */
  #cancel(signal: CancelSignal): void {
    const isCancelled = ({ signals, shielded }: Ask) =>
      signals?.includes(signal) === true && areAborted(signals) && !shielded;
    for (const ask of this.#wheel.filter(isCancelled)) {
      this.#giveUp(ask, new AskCancelledError(ask.address));
    }
  }

  #giveUp(ask: Ask, error: Error): void {
    if (ask.settled) return;
    if (!ask.receiver) ask.sentOver?.withdraw(ask);
    this.settleError(ask, error);
    tellReceiver(ask);
    ask.abort();
  }

  /** Drops asks that came over a link: one by its number, or all, because the link is gone. */
  drop(link: NodeLink, id?: number): void {
    const isDropped = (ask: Ask) =>
      ask.receivedOver === link && (id === undefined || ask.linkId === id);
    for (const ask of this.#wheel.filter(isDropped)) {
      if (this.#settle(ask)) ask.span?.end();
      tellReceiver(ask);
      ask.abort();
    }
  }

  /** Receivers of the asks that were made on this node, one for each ask. */
  receivers(): Address[] {
    return this.#wheel.filter(({ receivedOver }) => receivedOver === undefined)
      .map(({ address }) => address);
  }

  /** Deadlines are noticed no more. */
  close(): void {
    this.#wheel.close();
  }

  /** False where it was settled before. */
  #settle(ask: Ask): boolean {
    if (ask.settled) return false;
    ask.settled = true;
    this.#wheel.remove(ask);
    ask.sender?.askSettled();
    return true;
  }
}

function tellReceiver(ask: Ask): void {
  if (ask.receiver instanceof ActorCell) ask.receiver.askExpired(ask);
}
