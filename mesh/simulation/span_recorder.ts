/**
 * The Tracing port for tests: keeps all spans, with ids that count up.
 */
import type { Span, SpanAttributes, SpanOptions, TraceContext, Tracing } from "../ports/tracing.ts";

/** A span as it was begun and ended. */
export interface RecordedSpan {
  readonly name: string;
  readonly context: TraceContext;
  readonly options: SpanOptions;
  readonly attributes: SpanAttributes;
  readonly failure: string | undefined;
  readonly ended: boolean;
}

export class SpanRecorder implements Tracing {
  readonly spans: RecordedSpan[] = [];

  begin(name: string, options: SpanOptions = {}): Span {
    const number = (this.spans.length + 1).toString(16);
    const traceId = options.parent?.slice(3, 35) ?? number.padStart(32, "0");
    const context = `00-${traceId}-${number.padStart(16, "0")}-01`;
    const span = {
      name,
      context,
      options,
      attributes: { ...options.attributes } as Record<string, string | number | boolean>,
      failure: undefined as string | undefined,
      ended: false,
    };
    this.spans.push(span);
    return {
      context,
      setAttributes: (attributes) => void Object.assign(span.attributes, attributes),
      fail: (reason) => void (span.failure = reason),
      end: () => void (span.ended = true),
    };
  }
}
