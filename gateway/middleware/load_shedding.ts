/**
 * Rejects requests above `requestsInFlightMax` with 429 before reading their body; queueing them
 * would only let them time out.
 */
import type { Counter, Telemetry } from "../../mesh/ports/telemetry.ts";
import { invariant } from "../../structures/invariant.ts";
import { ProblemError } from "../problems.ts";

export class LoadShedding {
  readonly #requestsInFlightMax: number;
  readonly #shed: Counter;
  #inFlight = 0;

  constructor(telemetry: Telemetry, requestsInFlightMax: number) {
    this.#requestsInFlightMax = requestsInFlightMax;
    this.#shed = telemetry.counter("cairn_http_requests_shed_total", {
      help: "Requests answered 429 because too many were in progress.",
    });
  }

  /**
   * Counts a request as in progress, until {@link leave}.
   *
   * @throws {ProblemError} `overloaded`; the request is not counted.
   */
  enter(): void {
    if (this.#inFlight >= this.#requestsInFlightMax) {
      this.#shed.add(1);
      throw new ProblemError(
        "overloaded",
        `${this.#inFlight} requests are in progress and gateway.requestsInFlightMax is ` +
          `${this.#requestsInFlightMax}.`,
      );
    }
    this.#inFlight++;
  }

  leave(): void {
    this.#inFlight--;
    invariant(this.#inFlight >= 0, "a finished request was counted as in flight");
  }
}
