/**
 * Counts and times every request. The label is the endpoint, not the path, so that ids never become
 * label values.
 */
import type { MiddlewareHandler } from "hono";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { GatewayEnv } from "../endpoint.ts";

const secondsBuckets = [
  0.0005,
  0.001,
  0.002,
  0.003,
  0.005,
  0.0075,
  0.01,
  0.02,
  0.03,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
];

/** @returns The middleware for one endpoint. */
export function requestMetrics(
  telemetry: Telemetry,
  clock: Clock,
): (method: string, route: string) => MiddlewareHandler<GatewayEnv> {
  const seconds = telemetry.histogram("cairn_http_request_seconds", {
    help: "Time from a request's arrival to its answer, seconds.",
    labelNames: ["method", "route", "status"],
    buckets: secondsBuckets,
  });
  return (method, route) => async (context, next) => {
    const startMs = clock.monotonicMs();
    await next();
    seconds.record((clock.monotonicMs() - startMs) / 1000, {
      method,
      route,
      status: String(context.res.status),
    });
  };
}
