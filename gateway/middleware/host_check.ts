/**
 * Refuses a Host header that is more than a host and a port. HTTP servers build the URL of a
 * request from it, so `Host: x/health/live?` would choose another path than a proxy has checked.
 */
import { ProblemError } from "../problems.ts";

const hostPattern = /^[^\s/?#@\\]*$/;

/** @throws {ProblemError} `malformed-request`. */
export function requireHost(headers: Headers): void {
  const host = headers.get("host");
  if (host === null || hostPattern.test(host)) return;
  throw new ProblemError(
    "malformed-request",
    `The Host header ${JSON.stringify(host.slice(0, 100))} is not a host and a port.`,
  );
}
