/**
 * W3C Trace Context: continues the caller's trace or begins one, and answers with a span of its
 * own. A problem's `traceId` then finds both the caller's trace and the lines of the server's log.
 *
 * The caller decides whether its trace is recorded; of the requests without a trace a configured
 * share is.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
import type { Random, RandomStream } from "../../mesh/ports/random.ts";
import type { Span, TraceContext, Tracing } from "../../mesh/ports/tracing.ts";
import type { GatewayContext } from "../endpoint.ts";

const traceparentPattern =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

export class RequestTraces {
  readonly #stream: RandomStream;
  readonly #tracing: Tracing;
  readonly #share: number;
  readonly #follows: (route: string) => boolean;

  /**
   * @param share Share of the requests without a trace that are recorded, in [0, 1].
   * @param follows Whether the next request of a route is recorded for the console, where its trace
   * is not recorded otherwise.
   */
  constructor(
    random: Random,
    tracing: Tracing,
    share: number,
    follows: (route: string) => boolean = () => false,
  ) {
    this.#stream = random.stream("gateway/trace");
    this.#tracing = tracing;
    this.#share = share;
    this.#follows = follows;
  }

  /**
   * Sets the request's trace.
   *
   * @returns Its span; undefined where it is not recorded.
   */
  begin(context: GatewayContext, method: string, route: string): Span | undefined {
    const caller = callersTrace(context.req.raw.headers.get("traceparent"));
    const sampled = caller === undefined ? this.#isDrawn() : caller.flags % 2 === 1;
    const isLocal = !sampled && caller === undefined && this.#follows(route);
    const span = sampled || isLocal
      ? this.#tracing.begin(`${method} ${route}`, {
        kind: "server",
        parent: caller?.context,
        attributes: { "http.request.method": method, "http.route": route },
        isLocal,
      })
      : undefined;
    context.set("trace", span?.context ?? this.#unrecorded(caller));
    return span;
  }

  #isDrawn(): boolean {
    return this.#share > 0 && this.#stream.nextUint32() < this.#share * 2 ** 32;
  }

  #unrecorded(caller: CallersTrace | undefined): TraceContext {
    const traceId = caller?.traceId ?? this.#word() + this.#word() + this.#word() + this.#word();
    const flags = (caller?.flags ?? 0).toString(16).padStart(2, "0");
    return `00-${traceId}-${this.#word()}${this.#word()}-${flags}`;
  }

  /** 8 hex digits. An id of zeros alone, which is invalid, has probability 2^-64. */
  #word(): string {
    return this.#stream.nextUint32().toString(16).padStart(8, "0");
  }
}

interface CallersTrace {
  readonly context: TraceContext;
  readonly traceId: string;
  readonly flags: number;
}

function callersTrace(header: string | null): CallersTrace | undefined {
  const match = header === null ? null : traceparentPattern.exec(header);
  if (match === null) return undefined;
  const [, traceId, spanId, flags] = match;
  return {
    context: `00-${traceId}-${spanId}-${flags}`,
    traceId,
    flags: Number.parseInt(flags, 16),
  };
}
