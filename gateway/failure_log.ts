/**
 * What the server's log says of a request that failed on our side. The client gets the trace id, the log the cause.
 */
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { GatewayContext } from "./endpoint.ts";
import type { ProblemError } from "./problems.ts";

export function logFailure(
  telemetry: Telemetry,
  context: GatewayContext,
  problem: ProblemError,
): void {
  const defect = problem.kind === "internal-error";
  const { cause } = problem;
  telemetry.log(defect ? "error" : "warn", problem.message, {
    method: context.req.method,
    path: context.req.path,
    traceId: context.get("traceId"),
    // An expected failure says all in its message; a defect needs its stack.
    ...(defect && { cause: cause instanceof Error ? cause.stack ?? String(cause) : String(cause) }),
  });
}
