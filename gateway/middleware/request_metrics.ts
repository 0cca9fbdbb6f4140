/**
 * Counts and times every request. The label is the endpoint, not the path, so that ids never become
 * label values.
 */
import type { Telemetry } from "../../mesh/ports/telemetry.ts";

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

/** One endpoint, as metrics and spans name it. */
export interface MeasuredRoute {
  readonly method: string;
  readonly route: string;
  /** Takes the status of an answer and the time from the request's arrival, ms. */
  answered(status: number, ms: number): void;
}

/** @returns Makes the recorder of one endpoint. */
export function requestMetrics(
  telemetry: Telemetry,
): (method: string, route: string) => MeasuredRoute {
  const seconds = telemetry.histogram("cairn_http_request_seconds", {
    help: "Time from a request's arrival to its answer, seconds.",
    labelNames: ["method", "route", "status"],
    buckets: secondsBuckets,
  });
  return (method, route) => ({
    method,
    route,
    answered: (status, ms) => seconds.record(ms / 1000, { method, route, status: String(status) }),
  });
}
