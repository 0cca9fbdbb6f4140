/**
 * Runs the steps of a thread one after the other.
 */
import type { StepNumber } from "./protocol.ts";

export class StepTurns {
  /** The end of the newest step, however it ended. */
  #last: Promise<unknown> = Promise.resolve();
  /** The newest step that failed. */
  #failed: { readonly number: number; readonly error: unknown } | undefined;

  /** Runs a step after all that were given before. Fails as the step before where it waits. */
  run<T>({ number, waits }: StepNumber, step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      try {
        if (waits && this.#failed?.number === number - 1) throw this.#failed.error;
        return await step();
      } catch (error) {
        this.#failed = { number, error };
        throw error;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
