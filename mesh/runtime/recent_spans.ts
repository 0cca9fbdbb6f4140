/**
 * Holds the newest spans of a node in memory, and passes those of exported traces on. The console
 * reads them, so that it can follow a ranking without a collector.
 *
 * A span is held from its end on. The spans of a local trace are held here alone; those of any
 * other trace only where it is exported, so that a client that asks for every trace costs nothing
 * where none is exported.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random, RandomStream } from "../ports/random.ts";
import {
  isLocal,
  noTracing,
  sampledContext,
  type Span,
  type SpanAttributes,
  spanIdOf,
  type SpanOptions,
  type SpanSeen,
  type TraceContext,
  traceIdOf,
  type Tracing,
} from "../ports/tracing.ts";

/** Spans held; the oldest is overwritten. */
const SPANS_MAX = 4_096;

export interface RecentSpansOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Takes the spans of traces that are not local. Default: none are exported. */
  readonly exporter?: Tracing;
}

export class RecentSpans implements Tracing {
  readonly #clock: Clock;
  readonly #stream: RandomStream;
  readonly #exporter: Tracing;
  readonly #spans: SpanSeen[] = [];
  #next = 0;

  constructor({ clock, random, exporter = noTracing }: RecentSpansOptions) {
    this.#clock = clock;
    this.#stream = random.stream("mesh/spans");
    this.#exporter = exporter;
  }

  begin(name: string, options: SpanOptions = {}): Span | undefined {
    const { parent, links = [], isLocal: beginsLocal = false } = options;
    const causes = parent === undefined ? links : [parent];
    const local = beginsLocal || (causes.length > 0 && causes.every(isLocal));
    const exported = local ? undefined : this.#exporter.begin(name, options);
    if (!local && exported === undefined) return undefined;
    const context = exported?.context ??
      sampledContext(parent ? traceIdOf(parent) : this.#hex(4), this.#hex(2), local);
    return new SeenSpan(this.#clock, { name, options, context, exported }, (span) => {
      this.#spans[this.#next] = span;
      this.#next = (this.#next + 1) % SPANS_MAX;
    });
  }

  find(traceIds: readonly string[]): SpanSeen[] {
    const wanted = new Set(traceIds);
    return this.#spans
      .filter(({ traceId, linkedTraceIds }) =>
        wanted.has(traceId) || linkedTraceIds.some((id) => wanted.has(id))
      )
      .sort((a, b) => a.startedAtMs - b.startedAtMs);
  }

  /**
   * Random words of 8 hex digits. An id of zeros alone, which is invalid, has probability 2^-64.
   */
  #hex(words: number): string {
    let text = "";
    for (let word = 0; word < words; word++) {
      text += this.#stream.nextUint32().toString(16).padStart(8, "0");
    }
    return text;
  }
}

interface BegunSpan {
  readonly name: string;
  readonly options: SpanOptions;
  readonly context: TraceContext;
  /** The same span at the exporter. */
  readonly exported: Span | undefined;
}

class SeenSpan implements Span {
  readonly context: TraceContext;
  readonly #clock: Clock;
  readonly #begun: BegunSpan;
  readonly #keep: (span: SpanSeen) => void;
  readonly #startedAtMs: number;
  #attributes: SpanAttributes;
  #failure: string | undefined;
  #ended = false;

  constructor(clock: Clock, begun: BegunSpan, keep: (span: SpanSeen) => void) {
    const { context, options } = begun;
    this.context = context;
    this.#clock = clock;
    this.#begun = begun;
    this.#keep = keep;
    this.#startedAtMs = options.startedAtMs ?? clock.nowMs();
    this.#attributes = options.attributes ?? {};
  }

  setAttributes(attributes: SpanAttributes): void {
    this.#attributes = { ...this.#attributes, ...attributes };
    this.#begun.exported?.setAttributes(attributes);
  }

  fail(reason: string): void {
    this.#failure = reason;
    this.#begun.exported?.fail(reason);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { name, context, exported, options: { parent, links = [] } } = this.#begun;
    exported?.end();
    this.#keep({
      name,
      traceId: traceIdOf(context),
      spanId: spanIdOf(context),
      parentSpanId: parent && spanIdOf(parent),
      linkedTraceIds: links.map(traceIdOf),
      startedAtMs: this.#startedAtMs,
      tookMs: Math.max(0, this.#clock.nowMs() - this.#startedAtMs),
      attributes: this.#attributes,
      failure: this.#failure,
    });
  }
}
