/**
 * Logs requests that failed on the server's side. The client gets the trace id, the log the cause.
 *
 * In an overload thousands of requests fail in the same way every second, so each kind of problem
 * gets at most {@link LINES_PER_SECOND_MAX} lines a second; the next line counts the omitted ones.
 */
import type { Clock } from "../mesh/ports/clock.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { traceIdOf } from "../mesh/ports/tracing.ts";
import type { GatewayContext } from "./endpoint.ts";
import type { ProblemError, ProblemKind } from "./problems.ts";

const LINES_PER_SECOND_MAX = 5;

/** Lines of one kind in the second that began at `sinceMs`. */
interface LineCount {
  sinceMs: number;
  lines: number;
  leftOut: number;
}

export class FailureLog {
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #counts = new Map<ProblemKind, LineCount>();

  constructor(telemetry: Telemetry, clock: Clock) {
    this.#telemetry = telemetry;
    this.#clock = clock;
  }

  /** Logs the failure, unless its kind has used up the lines of this second. */
  write(context: GatewayContext, problem: ProblemError): void {
    const leftOut = this.#takeLine(problem.kind);
    if (leftOut === undefined) return;
    const defect = problem.kind === "internal-error";
    const { cause } = problem;
    this.#telemetry.log(defect ? "error" : "warn", problem.message, {
      method: context.req.method,
      path: context.req.path,
      traceId: traceIdOf(context.get("trace")),
      ...(leftOut > 0 && { leftOut }),
      // The message of an expected failure is complete; a defect needs its stack.
      ...(defect &&
        { cause: cause instanceof Error ? cause.stack ?? String(cause) : String(cause) }),
    });
  }

  /** Lines of this kind omitted since the last written one; undefined to omit this one too. */
  #takeLine(kind: ProblemKind): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    let count = this.#counts.get(kind);
    if (count === undefined) {
      this.#counts.set(kind, count = { sinceMs: nowMs, lines: 0, leftOut: 0 });
    }
    if (nowMs - count.sinceMs >= 1000) {
      count.sinceMs = nowMs;
      count.lines = 0;
    }
    if (count.lines >= LINES_PER_SECOND_MAX) {
      count.leftOut++;
      return undefined;
    }
    count.lines++;
    const { leftOut } = count;
    count.leftOut = 0;
    return leftOut;
  }
}
