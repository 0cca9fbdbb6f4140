/**
 * A full house says so at the door: past `requestsInFlightMax` a request is refused before anything is read, which
 * costs microseconds, instead of queueing until its deadline has passed.
 */
import type { MiddlewareHandler } from "hono";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { GatewayEnv } from "../endpoint.ts";
import { ProblemError } from "../problems.ts";

export function loadShedding(
  telemetry: Telemetry,
  requestsInFlightMax: number,
): MiddlewareHandler<GatewayEnv> {
  let inFlight = 0;
  const shed = telemetry.counter("cairn_http_requests_shed_total", {
    help: "Requests refused because too many were in progress.",
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
    }
  };
}
