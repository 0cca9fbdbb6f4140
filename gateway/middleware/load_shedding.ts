/**
 * Rejects requests above `requestsInFlightMax` with 429 before reading their body; queueing them
 * would only let them time out.
 */
import type { MiddlewareHandler } from "hono";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { invariant } from "../../structures/invariant.ts";
import type { GatewayEnv } from "../endpoint.ts";
import { ProblemError } from "../problems.ts";

export function loadShedding(
  telemetry: Telemetry,
  requestsInFlightMax: number,
): MiddlewareHandler<GatewayEnv> {
  let inFlight = 0;
  const shed = telemetry.counter("cairn_http_requests_shed_total", {
    help: "Requests answered 429 because too many were in progress.",
  });
  return async (_context, next) => {
    if (inFlight >= requestsInFlightMax) {
      shed.add(1);
      throw new ProblemError(
        "overloaded",
        `${inFlight} requests are in progress and gateway.requestsInFlightMax is ${requestsInFlightMax}.`,
      );
    }
    inFlight++;
    try {
      await next();
    } finally {
      inFlight--;
      invariant(inFlight >= 0, "a finished request was counted as in flight");
    }
  };
}
