/**
 * What the server's log says of requests that failed on our side. The client gets the trace id, the log the cause.
 *
 * In an overload thousands of requests fail in the same way every second, so each kind of problem gets only a few
 * lines a second; the next line says how many were left out.
 */
import type { Clock } from "../mesh/ports/clock.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { GatewayContext } from "./endpoint.ts";
import type { ProblemError, ProblemKind } from "./problems.ts";

const linesPerSecondMax = 5;

/** Lines of one kind in the second that began at `sinceMs`. */
interface Written {
  sinceMs: number;
  lines: number;
  leftOut: number;
}

export class FailureLog {
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #written = new Map<ProblemKind, Written>();

  constructor(telemetry: Telemetry, clock: Clock) {
    this.#telemetry = telemetry;
    this.#clock = clock;
  }

  /** Writes what went wrong, if this kind of problem still has a line this second. */
  write(context: GatewayContext, problem: ProblemError): void {
    const leftOut = this.#takeLine(problem.kind);
    if (leftOut === undefined) return;
    const defect = problem.kind === "internal-error";
    const { cause } = problem;
    this.#telemetry.log(defect ? "error" : "warn", problem.message, {
      method: context.req.method,
      path: context.req.path,
      traceId: context.get("traceId"),
      ...(leftOut > 0 && { leftOut }),
      // An expected failure says all in its message; a defect needs its stack.
      ...(defect &&
        { cause: cause instanceof Error ? cause.stack ?? String(cause) : String(cause) }),
    });
  }

  /** Lines of this kind left out since the last one; undefined where this one is left out too. */
  #takeLine(kind: ProblemKind): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    let written = this.#written.get(kind);
    if (written === undefined) {
      this.#written.set(kind, written = { sinceMs: nowMs, lines: 0, leftOut: 0 });
    }
    if (nowMs - written.sinceMs >= 1000) {
      written.sinceMs = nowMs;
      written.lines = 0;
    }
    if (written.lines >= linesPerSecondMax) {
      written.leftOut++;
      return undefined;
    }
    written.lines++;
    const { leftOut } = written;
    written.leftOut = 0;
    return leftOut;
  }
}
