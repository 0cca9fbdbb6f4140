/**
 * Cancels asks before their deadline, because their answers are of no use any more: those that are
 * made with the signal, and those that are made to answer these.
 *
 * It is a part of `AbortSignal`, so that the signal of a web request is one; and an ask is one for
 * the asks that its handler makes.
 */
import type { Ask } from "./ask.ts";

export interface CancelSignal {
  readonly aborted: boolean;
  /** Belongs to the node on which asks are made with the signal, which is one. */
  onabort: (() => void) | null;
  /** The unsettled asks that name the signal, in any order; belongs to that node too. */
  asks?: Ask[] | undefined;
}

/** A signal, and the right to abort it. */
export class Cancellation implements CancelSignal {
  aborted = false;
  onabort: (() => void) | null = null;
  asks: Ask[] | undefined = undefined;

  /** Cancels the asks that were made with the signal; a second call does nothing. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.onabort?.();
  }
}

/** Whether no work for these signals is of use: there are some, and all are aborted. */
export function areAborted(signals: readonly CancelSignal[] | undefined): boolean {
  return signals !== undefined && signals.length > 0 && signals.every(({ aborted }) => aborted);
}
