/**
 * Progress of a start that may take minutes: the current step, for answers and for the log. A start
 * has no time limit; one that takes long says again and again what it is at, so that an operator
 * sees where it stands still.
 */
import type { LogLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";

/** Time between two log lines about a start, ms. */
const LOG_INTERVAL_MS = 10_000;

export interface StartProgressOptions {
  readonly clock: Clock;
  /** Takes a log line. */
  readonly log: (line: LogLine) => void;
  /** Takes the current step in words, at each change. */
  readonly onStep: (step: string) => void;
}

export class StartProgress {
  readonly #options: StartProgressOptions;
  readonly #beganMs: number;
  #step: string;
  #timer: Timer | undefined;

  /** @param step The first step in words. */
  constructor(step: string, options: StartProgressOptions) {
    this.#options = options;
    this.#beganMs = options.clock.monotonicMs();
    this.#step = step;
    options.onStep(step);
    this.#logLater();
  }

  /** @param step In words: "making embedding_shard/3, actor 4 of 21". */
  enter(step: string): void {
    if (step === this.#step) return;
    this.#step = step;
    this.#options.onStep(step);
  }

  /** The start has succeeded or failed: nothing is logged any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #logLater(): void {
    const { clock, log } = this.#options;
    this.#timer = clock.schedule(LOG_INTERVAL_MS, () => {
      const seconds = Math.round((clock.monotonicMs() - this.#beganMs) / 1_000);
      log({ level: "info", message: `starting: ${this.#step}`, fields: { seconds } });
      this.#logLater();
    });
  }
}
