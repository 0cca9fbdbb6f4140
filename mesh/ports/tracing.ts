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
  /** Whether the trace that begins here stays in memory and is not exported. Default false. */
  readonly isLocal?: boolean;
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
  /**
   * The spans in memory that belong to one of the traces or are linked to one, oldest first. Absent
   * where spans are only exported.
   */
  find?(traceIds: readonly string[]): readonly SpanSeen[];
}

/** A span that has ended, as plain data. */
export interface SpanSeen {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined = the span begins its trace, or its parent was recorded elsewhere. */
  readonly parentSpanId: string | undefined;
  /** Trace ids of the spans that caused this one without waiting for it. */
  readonly linkedTraceIds: readonly string[];
  /** Wall time, ms. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  readonly attributes: SpanAttributes;
  /** Why it failed. */
  readonly failure: string | undefined;
}

/** Records nothing. */
export const noTracing: Tracing = { begin: () => undefined };

const CONTEXT_LENGTH = 55;

/** Flag of a trace that is recorded. */
const SAMPLED = 1;
/**
 * Flag of a trace that stays in the memory of the mesh. The standard leaves its bit unused and
 * wants it unset in other programs' traces: {@link outwardContext} removes it.
 */
const LOCAL = 4;

/** Whether the spans of this trace are recorded. */
export function isSampled(context: TraceContext | undefined): context is TraceContext {
  return context?.length === CONTEXT_LENGTH && (context.charCodeAt(CONTEXT_LENGTH - 1) & 1) === 1;
}

/** Whether the trace is recorded in the memory of the mesh alone. */
export function isLocal(context: TraceContext | undefined): boolean {
  return isSampled(context) && (context.charCodeAt(CONTEXT_LENGTH - 1) & LOCAL) !== 0;
}

/** The context of a recorded span. */
export function sampledContext(traceId: string, spanId: string, local: boolean): TraceContext {
  return `00-${traceId}-${spanId}-0${local ? SAMPLED | LOCAL : SAMPLED}`;
}

/** The context as other programs may see it: they need not record a trace that stays here. */
export function outwardContext(context: TraceContext): TraceContext {
  return isLocal(context) ? `${context.slice(0, CONTEXT_LENGTH - 2)}00` : context;
}

/** The trace id of a context, 32 hex digits. */
export function traceIdOf(context: TraceContext): string {
  return context.slice(3, 35);
}

/** The span id of a context, 16 hex digits. */
export function spanIdOf(context: TraceContext): string {
  return context.slice(36, 52);
}
