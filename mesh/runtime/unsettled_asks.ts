/**
 * All asks of a node that are not settled: sent from here or received over a link. An ask is
 * settled once, by an answer, an error, its deadline, or because its asker gives it up: the asker
 * has ended, or cancels it. An ask that is given up before it is handled is never handled, and the
 * asks that its handler has made with its signal are cancelled.
 */
import { present } from "../../structures/invariant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Address } from "./actor.ts";
import { ActorCell } from "./actor_cell.ts";
import type { CellContext } from "./actor_context.ts";
import type { Ask } from "./ask.ts";
import { DeadlineWheel } from "./deadline_wheel.ts";
import { areAborted, type CancelSignal } from "./cancel_signal.ts";
import { ActorFailedError, AskCancelledError, AskTimeoutError } from "./errors.ts";

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
    for (const signal of ask.signals) {
      signal.asks ??= [];
      signal.asks.push(ask);
      signal.onabort ??= () => this.#cancel(signal);
    }
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
  #cancel({ asks = [] }: CancelSignal): void {
    // Newest first: each is the last of the signal's asks when it leaves them.
    for (const ask of asks.toReversed()) {
      if (ask.shielded || !areAborted(ask.signals)) continue;
      this.#giveUp(ask, new AskCancelledError(ask.address));
    }
  }

  /** Does nothing to an ask that was given up before. */
  #giveUp(ask: Ask, error: Error): void {
    if (!ask.receiver) ask.sentOver?.withdraw(ask);
    this.settleError(ask, error);
    tellReceiver(ask);
    ask.abort();
  }

  /** Drops an ask that came over a link: its asker has given it up, or the link is gone. */
  drop(ask: Ask): void {
    this.#settle(ask);
    ask.span?.end();
    tellReceiver(ask);
    ask.abort();
  }

  /** Receivers of the asks that were made on this node, one for each ask. */
  receivers(): Address[] {
    return this.#wheel.filter(({ remoteChain }) => remoteChain === undefined)
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
    if (ask.signals !== undefined) leaveSignals(ask, ask.signals);
    return true;
  }
}

function leaveSignals(ask: Ask, signals: readonly CancelSignal[]): void {
  for (const signal of signals) {
    const asks = present(signal.asks, "a signal has the unsettled asks that name it");
    asks[asks.lastIndexOf(ask)] = asks[asks.length - 1];
    asks.pop();
  }
}

function tellReceiver(ask: Ask): void {
  if (ask.receiver instanceof ActorCell) ask.receiver.askExpired(ask);
}
