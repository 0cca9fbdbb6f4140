/**
 * The Tracing port on the API of OpenTelemetry. Deno exports the spans itself when it is started
 * with `OTEL_DENO=true`; `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME` and the others are
 * OpenTelemetry's own variables.
 *
 * Deno begins a span of its own for each HTTP request. `OTEL_TRACES_SAMPLER=parentbased_always_off`
 * with `OTEL_PROPAGATORS=none` leaves these spans out: then only spans with a parent are recorded,
 * so a span that begins a trace here gets a parent that exists nowhere.
 *
 * @see https://docs.deno.com/runtime/fundamentals/open_telemetry/
 */
import {
  type Context,
  ROOT_CONTEXT,
  type Span as OpenTelemetrySpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import {
  noTracing,
  sampledContext,
  type Span,
  type SpanAttributes,
  type SpanOptions,
  type TraceContext,
  type Tracing,
} from "../../ports/tracing.ts";

const kinds = {
  server: SpanKind.SERVER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Deno's exporter where it runs; else {@link noTracing}. */
export function openTelemetryTracing(): Tracing {
  if (Deno.env.get("OTEL_DENO") !== "true") return noTracing;
  return new OpenTelemetryTracing(Deno.env.get("OTEL_TRACES_SAMPLER") === PARENTS_DECIDE);
}

/** The sampler that records a span only if its parent is recorded. */
const PARENTS_DECIDE = "parentbased_always_off";

class OpenTelemetryTracing implements Tracing {
  readonly #tracer: Tracer = trace.getTracer("cairn");
  readonly #needsParent: boolean;

  /** @param needsParent Whether spans without a parent are not recorded. */
  constructor(needsParent: boolean) {
    this.#needsParent = needsParent;
  }

  begin(name: string, options: SpanOptions = {}): Span {
    const { kind = "internal", parent, links, startedAtMs, attributes } = options;
    return new ExportedSpan(
      this.#tracer.startSpan(
        name,
        {
          kind: kinds[kind],
          ...(startedAtMs !== undefined && { startTime: startedAtMs }),
          ...(attributes && { attributes }),
          ...(links && { links: links.map((link) => ({ context: spanContextOf(link) })) }),
        },
        parent === undefined ? this.#beginning() : contextOf(parent),
      ),
    );
  }

  #beginning(): Context {
    if (!this.#needsParent) return ROOT_CONTEXT;
    return contextOf(sampledContext(randomHex(16), randomHex(8), false));
  }
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

class ExportedSpan implements Span {
  readonly context: TraceContext;
  readonly #span: OpenTelemetrySpan;
  #ended = false;

  constructor(span: OpenTelemetrySpan) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.context = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
    this.#span = span;
  }

  setAttributes(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes);
  }

  fail(reason: string): void {
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span.end();
  }
}

function contextOf(parent: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
}

function spanContextOf(context: TraceContext): SpanContext {
  return {
    traceId: context.slice(3, 35),
    spanId: context.slice(36, 52),
    traceFlags: Number.parseInt(context.slice(53), 16),
    isRemote: true,
  };
}
