/**
 * Rejects requests with 429 that would only be queued until they time out:
 *
 *     in progress   above a limit, before the body is read
 *     late          the event loop stands still for long, before the body is parsed
 *
 * The limit is `requestsInFlightMax` while the process keeps up. Each time that the event loop is
 * late or a ranking takes half of the deadline, it becomes a share of the requests in progress;
 * otherwise it grows (additive increase and multiplicative decrease, as TCP does).
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Counter, Telemetry } from "../../mesh/ports/telemetry.ts";
import { invariant } from "../../structures/invariant.ts";
import type { GatewayOptions } from "../options.ts";
import { ProblemError } from "../problems.ts";

/** Time between two looks at the event loop while requests are in progress, ms. */
const LOOK_MS = 100;
/** A look that is late by more than this shows that the event loop cannot keep up, ms. */
const LATE_MS = 250;
/** Share of the deadline after which a ranking shows that the process cannot keep up. */
const SLOW_SHARE = 0.5;
/** Requests that are always admitted: enough to keep a core busy. */
const LIMIT_MIN = 32;
/** Share of the requests in progress that remains of the limit. */
const DECREASE = 0.7;
/** Growth of the limit with each look. */
const INCREASE = 4;

export class LoadShedding {
  readonly #clock: Clock;
  readonly #limitMax: number;
  readonly #limitMin: number;
  readonly #slowMs: number;
  readonly #shed: Counter;
  #inFlight = 0;
  #limit: number;
  /** When the next look is due, monotonic ms; infinite where no look is planned. */
  #dueMs = Infinity;
  /** A ranking was slow since the last look. */
  #wasSlow = false;

  constructor(
    telemetry: Telemetry,
    clock: Clock,
    { requestsInFlightMax, deadlineMs }: Pick<
      GatewayOptions,
      "requestsInFlightMax" | "deadlineMs"
    >,
  ) {
    this.#clock = clock;
    this.#limit = this.#limitMax = requestsInFlightMax;
    this.#limitMin = Math.min(LIMIT_MIN, requestsInFlightMax);
    this.#slowMs = SLOW_SHARE * deadlineMs;
    this.#shed = telemetry.counter("cairn_http_requests_shed_total", {
      help: "Requests answered 429 because too many were in progress, or the process was late.",
    });
  }

  /**
   * Counts a request as in progress, until {@link leave}.
   *
   * @throws {ProblemError} `overloaded`; the request is not counted.
   */
  enter(): void {
    if (this.#inFlight >= this.#limit) {
      throw this.#overloaded(
        this.#limit === this.#limitMax
          ? `gateway.requestsInFlightMax is ${this.#limitMax}`
          : `the server keeps up with ${this.#limit} at present`,
      );
    }
    this.#inFlight++;
    if (this.#dueMs === Infinity) this.#lookLater();
  }

  /**
   * Called before the costly part of a request in progress.
   *
   * @throws {ProblemError} `overloaded`: the event loop has been busy for too long.
   */
  requireTime(): void {
    if (this.#inFlight <= this.#limitMin) return;
    if (this.#clock.monotonicMs() - this.#dueMs > LATE_MS) {
      throw this.#overloaded(`the server is more than ${LATE_MS} ms behind`);
    }
  }

  /** A ranking was answered, or has failed, after `ms`. */
  ranked(ms: number): void {
    if (ms >= this.#slowMs) this.#wasSlow = true;
  }

  leave(): void {
    this.#inFlight--;
    invariant(this.#inFlight >= 0, "a finished request was counted as in flight");
  }

  #lookLater(): void {
    this.#dueMs = this.#clock.monotonicMs() + LOOK_MS;
    this.#clock.schedule(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const isLate = this.#clock.monotonicMs() - this.#dueMs > LATE_MS;
    if (isLate || this.#wasSlow) {
      // Requests that were admitted before a decrease are slow for a while: they cause no other.
      const share = Math.floor(DECREASE * this.#inFlight);
      this.#limit = Math.max(this.#limitMin, Math.min(this.#limit, share));
    } else this.#limit = Math.min(this.#limitMax, this.#limit + INCREASE);
    this.#wasSlow = false;
    this.#dueMs = Infinity;
    // The limit recovers while nothing is in progress, too.
    if (this.#inFlight > 0 || this.#limit < this.#limitMax) this.#lookLater();
  }

  #overloaded(reason: string): ProblemError {
    this.#shed.add(1);
    return new ProblemError(
      "overloaded",
      `${this.#inFlight} requests are in progress and ${reason}.`,
    );
  }
}
