/**
 * Progress of a start that may take minutes: the current step, for answers and for the log. A start
 * has no time limit; a step that takes long is logged again and again, so that an operator sees
 * that it goes on.
 */
import type { Clock, Timer } from "../mesh/ports/clock.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";

/** Time between two log lines about the same step, ms. */
const LOG_INTERVAL_MS = 10_000;

export interface StartProgressOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Takes the current step in words, at each change. */
  readonly onStep?: ((step: string) => void) | undefined;
}

export class StartProgress {
  readonly #options: StartProgressOptions;
  readonly #beganMs: number;
  #step = "";
  #timer: Timer | undefined;

  constructor(options: StartProgressOptions) {
    this.#options = options;
    this.#beganMs = options.clock.monotonicMs();
    this.#logLater();
  }

  /** @param step In words: "restoring embedding_shard/3 (4 of 21 actors)". */
  enter(step: string): void {
    if (step === this.#step) return;
    this.#step = step;
    this.#options.onStep?.(step);
  }

  /** The start has succeeded or failed: nothing is logged any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #logLater(): void {
    const { clock, telemetry } = this.#options;
    this.#timer = clock.schedule(LOG_INTERVAL_MS, () => {
      const seconds = Math.round((clock.monotonicMs() - this.#beganMs) / 1_000);
      telemetry.log("info", `starting: ${this.#step}`, { seconds });
      this.#logLater();
    });
  }
}
