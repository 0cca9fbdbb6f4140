/**
 * Cuts that wait for the end of a flight, so that a cut changes no bit of the model, or for the
 * record of an erasure.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { Cut, TrainerMessage } from "./protocol.ts";

/**
 * Longest wait, ms. It passes where the example log is full, the joiner is restarting, or the blob
 * store takes no record.
 */
const CUT_WAIT_MS = 500;

export class WaitingCuts {
  readonly #context: ActorContext<TrainerMessage>;
  #waiting: { readonly message: Cut; readonly atMs: number }[] = [];

  constructor(context: ActorContext<TrainerMessage>) {
    this.#context = context;
  }

  /** Lets a cut wait; `cutWaits` is told when it has waited long enough. */
  add(message: Cut): void {
    this.#waiting.push({ message, atMs: this.#context.clock.monotonicMs() });
    this.#context.schedule(CUT_WAIT_MS, { kind: "cutWaits" });
  }

  /** Whether a cut has waited long enough. */
  get areDue(): boolean {
    const nowMs = this.#context.clock.monotonicMs();
    return this.#waiting.some(({ atMs }) => nowMs >= atMs + CUT_WAIT_MS);
  }

  /** Takes the cuts whose askers still wait: a cut that was given up must have no effect later. */
  take(): Cut[] {
    const cuts = this.#waiting.map(({ message }) => message);
    this.#waiting = [];
    return cuts.filter((message) => this.#context.remainingMs(message) > 0);
  }
}
