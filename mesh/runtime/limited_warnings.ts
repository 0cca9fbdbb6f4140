/**
 * Warnings about parts that fail again and again: rounds follow each other by milliseconds, and a
 * host may be away for hours.
 */
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";

/** Time between two warnings about one subject, ms. */
const INTERVAL_MS = 10_000;

export class LimitedWarnings {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #lastMs = new Map<string, number>();

  constructor(clock: Clock, telemetry: Telemetry) {
    this.#clock = clock;
    this.#telemetry = telemetry;
  }

  /** Logs the warning, unless one about the same subject was logged in the last ten seconds. */
  warn(subject: string, error: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - (this.#lastMs.get(subject) ?? -Infinity) < INTERVAL_MS) return;
    this.#lastMs.set(subject, nowMs);
    const reason = error instanceof Error ? error.message : String(error);
    this.#telemetry.log("warn", `${subject}: ${reason}`);
  }
}
