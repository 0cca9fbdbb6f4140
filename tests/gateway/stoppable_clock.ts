import type { Clock } from "../../mesh/ports/clock.ts";

/** A clock whose process can be stopped: timers that come due meanwhile fire when it goes on. */
export class StoppableClock implements Clock {
  #nowMs = 0;
  readonly #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, call: () => void) {
    const timer = { atMs: this.#nowMs + delayMs, call };
    this.#timers.push(timer);
    return { cancel: () => void this.#timers.splice(this.#timers.indexOf(timer), 1) };
  }

  /** Lets time pass without running a timer. */
  stopFor(ms: number): void {
    this.#nowMs += ms;
  }

  /** Runs each timer at its time, or now if it is overdue. */
  run(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      if (this.#timers.length === 0 || this.#timers[0].atMs > endMs) break;
      const { atMs, call } = this.#timers.shift()!;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      call();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }
}
