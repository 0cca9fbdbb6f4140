/**
 * A collector of OpenTelemetry spans, in OTLP's JSON form, for tests and benchmarks.
 */

export interface CollectedSpan {
  /** `service.name` of the process that sent it. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes?: readonly Attribute[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

/** Spans kept; a benchmark sends more and reads none. */
const SPANS_MAX = 10_000;
/** Longest wait for a span, ms. */
const PATIENCE_MS = 60_000;

export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #arrived = Promise.withResolvers<void>();
  #spanCount = 0;

  constructor() {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#server = Deno.serve(options, async (request) => {
      if (new URL(request.url).pathname !== "/v1/traces") {
        await request.body?.cancel();
        return Response.json({});
      }
      const { resourceSpans = [] } = await request.json();
      for (const { resource, scopeSpans } of resourceSpans) {
        const named = resource.attributes.find(({ key }: Attribute) => key === "service.name");
        const service = named?.value.stringValue ?? "";
        for (const { spans } of scopeSpans) {
          this.#spanCount += spans.length;
          if (this.spans.length > SPANS_MAX) continue;
          this.spans.push(...spans.map((span: CollectedSpan) => ({ ...span, service })));
        }
      }
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
      return Response.json({});
    });
  }

  /** Spans that arrived, also those that are not kept. */
  get spanCount(): number {
    return this.#spanCount;
  }

  /** Variables of a process that exports to this collector. */
  get environment(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      // Without these two, Deno exports a span of its own for each request.
      OTEL_TRACES_SAMPLER: "parentbased_always_off",
      OTEL_PROPAGATORS: "none",
      OTEL_DENO_CONSOLE: "ignore",
      // Spans are exported in batches; a short delay keeps a test short.
      OTEL_BSP_SCHEDULE_DELAY: "50",
    };
  }

  /** The first span that `accepts`; waits for it, and fails with what came where none does. */
  async find(accepts: (span: CollectedSpan) => boolean): Promise<CollectedSpan> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const names = new Set(this.spans.map(({ service, name }) => `${service}: ${name}`));
      reject(new Error(`no such span came in ${PATIENCE_MS} ms, among ${[...names].join(", ")}`));
    }, PATIENCE_MS);
    try {
      for (;;) {
        const span = this.spans.find(accepts);
        if (span !== undefined) return span;
        await Promise.race([this.#arrived.promise, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
  }
}
