/**
 * Traces: the spans of one request over all actors and hosts, and links from a request to the work
 * that it causes later (join, training, sync).
 *
 * A trace context travels as text, as in the header `traceparent`:
 * `00-<trace id, 32 hex digits>-<span id, 16 hex digits>-<flags>`. A request whose flags do not say
 * "sampled" has no spans; its context only names the trace in log lines.
 *
 * @see https://www.w3.org/TR/trace-context/
 */

/** A trace context as text. */
export type TraceContext = string;

/** Values by name; names follow OpenTelemetry's conventions. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** The description of a span when it begins. */
export interface SpanOptions {
  /**
   * Role of the work: it answers a request of outside (`server`), handles a message of a log
   * (`consumer`), or neither. Default `internal`.
   */
  readonly kind?: "server" | "consumer" | "internal";
  /** The span that caused this one and waits for it, or would. */
  readonly parent?: TraceContext | undefined;
  /** Spans that caused this one and do not wait for it. */
  readonly links?: readonly TraceContext[];
  /** Wall time, ms. Default: now. */
  readonly startedAtMs?: number;
  readonly attributes?: SpanAttributes;
}

/** A piece of work, from {@link Tracing.begin} to {@link Span.end}. */
export interface Span {
  /** The context for work that this span causes. */
  readonly context: TraceContext;
  /** Adds attributes, or replaces those of the same names. */
  setAttributes(attributes: SpanAttributes): void;
  /** Marks the span as failed. */
  fail(reason: string): void;
  /** Ends the span; a second call is ignored. */
  end(): void;
}

/** Makes spans. */
export interface Tracing {
  /** Undefined where spans are not recorded. */
  begin(name: string, options?: SpanOptions): Span | undefined;
}

/** Records nothing. */
export const noTracing: Tracing = { begin: () => undefined };

const CONTEXT_LENGTH = 55;

/** Whether the spans of this trace are recorded. */
export function isSampled(context: TraceContext | undefined): context is TraceContext {
  return context?.length === CONTEXT_LENGTH && (context.charCodeAt(CONTEXT_LENGTH - 1) & 1) === 1;
}

/** The trace id of a context, 32 hex digits. */
export function traceIdOf(context: TraceContext): string {
  return context.slice(3, 35);
}
