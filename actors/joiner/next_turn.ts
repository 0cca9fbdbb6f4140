/**
 * The joiner's next turn: at once when events have come, or at a time when no event comes.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { JoinerMessage } from "./protocol.ts";

export class NextTurn {
  readonly #context: ActorContext<JoinerMessage>;
  /** Its message is in the mailbox, or events must not hasten it. */
  #isSettled = false;
  /** The timer of a turn without new events. */
  #timer: { readonly atMs: number; cancel(): void } | undefined;

  constructor(context: ActorContext<JoinerMessage>) {
    this.#context = context;
  }

  /** A turn has begun: another one comes only if it is asked for from now on. */
  begin(): void {
    this.#isSettled = false;
    this.cancel();
  }

  /** Cancels the timer. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The next turn comes as soon as the mailbox allows. */
  now(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#context.self.tell({ kind: "eventsAppended" });
  }

  /** The next turn comes in `ms` or earlier. */
  within(ms: number): void {
    const atMs = this.#context.clock.monotonicMs() + ms;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.cancel();
    const timer = this.#context.schedule(Math.max(0, ms), { kind: "eventsAppended" });
    this.#timer = { atMs, cancel: () => timer.cancel() };
  }

  /** The next turn comes in `ms`, or when an earlier timer fires; new events do not hasten it. */
  after(ms: number): void {
    this.within(ms);
    this.#isSettled = true;
  }
}
