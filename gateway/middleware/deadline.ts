/**
 * The time by which a request must be answered. Reading the body and asking actors spend from it.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { GatewayContext } from "../endpoint.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";

/**
 * The remaining budget of the request, ms.
 *
 * @throws {ProblemError} `deadline-exceeded` when nothing is left.
 */
export function budgetMs(context: GatewayContext, clock: Clock): number {
  const leftMs = context.get("deadlineAtMs") - clock.monotonicMs();
  if (leftMs > 0) return leftMs;
  throw new ProblemError(
    "deadline-exceeded",
    "The deadline passed while the request was read and checked; no actor was asked.",
  );
}

/** Time since the request's arrival, ms. */
export function elapsedMs(
  context: GatewayContext,
  { clock, options }: Pick<GatewayParts, "clock" | "options">,
): number {
  return clock.monotonicMs() - (context.get("deadlineAtMs") - options.deadlineMs);
}

/**
 * Waits for `work` no longer than the request's budget. The work itself is not cancelled.
 *
 * @param late Detail of the problem when the budget is used up.
 * @throws {ProblemError} `deadline-exceeded`.
 */
export function withinDeadline<T>(
  context: GatewayContext,
  clock: Clock,
  work: Promise<T>,
  late: string,
): Promise<T> {
  const leftMs = Math.max(0, context.get("deadlineAtMs") - clock.monotonicMs());
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(
      leftMs,
      () => reject(new ProblemError("deadline-exceeded", late)),
    );
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
