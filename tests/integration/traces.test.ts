/**
 * Goal: a collector gets the spans of a ranking through every actor, and of the join, the step and
 * the sync that learn from it, linked to it.
 *
 * Method: `cairn serve` with threads and Deno's exporter; this test is the collector.
 */
import assert from "node:assert/strict";
import { MeshProcess } from "./mesh_process.ts";

interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes?: readonly { readonly key: string; readonly value: object }[];
}

/** Takes spans in OTLP's JSON form. */
class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #arrived = Promise.withResolvers<void>();

  constructor() {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#server = Deno.serve(options, async (request) => {
      if (new URL(request.url).pathname !== "/v1/traces") {
        await request.body?.cancel();
        return Response.json({});
      }
      const { resourceSpans = [] } = await request.json();
      for (const { scopeSpans } of resourceSpans) {
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
      return Response.json({});
    });
  }

  get environment(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      // Spans are exported in batches; a short delay keeps the test short.
      OTEL_BSP_SCHEDULE_DELAY: "50",
    };
  }

  /** The first span that `accepts`, waiting for it. */
  async find(accepts: (span: CollectedSpan) => boolean): Promise<CollectedSpan> {
    for (;;) {
      const span = this.spans.find(accepts);
      if (span !== undefined) return span;
      await this.#arrived.promise;
    }
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
  }
}

const configuration = new URL("./traced.yaml", import.meta.url).pathname;
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

Deno.test("a collector gets a ranking's spans and those of its learning, linked", async () => {
  const collector = new Collector();
  const server = await MeshProcess.start(configuration, { environment: collector.environment });
  try {
    const traceparent = `00-${TRACE_ID}-b7ad6b7169203331-01`;
    const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
      const response = await fetch(`${server.url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, 200, await response.clone().text());
      return await response.json();
    };
    const candidates = [{ id: "a" }, { id: "b" }];
    await post("/v1/rank", { user: "ann", rankingId: "traced", candidates }, { traceparent });
    await post("/v1/rank", { user: "bob", rankingId: "untraced", candidates });
    for (const rankingId of ["traced", "untraced"]) {
      await post("/v1/events", { eventId: rankingId, rankingId, item: "a", action: "click" });
    }

    const named = (name: string) => (span: CollectedSpan) => span.name === name;
    const request = await collector.find(named("POST /v1/rank"));
    assert.equal(request.traceId, TRACE_ID);
    assert.equal(request.parentSpanId, "b7ad6b7169203331");
    const ranker = await collector.find(named("ranker rank"));
    const scorer = await collector.find(named("scorer score"));
    const lookup = await collector.find(named("serving_replica lookup"));
    assert.equal(ranker.parentSpanId, request.spanId);
    assert.equal(scorer.parentSpanId, ranker.spanId);
    assert.equal(lookup.parentSpanId, scorer.spanId);
    for (const span of [ranker, scorer, lookup]) {
      assert.equal(span.traceId, TRACE_ID);
      const keys = span.attributes?.map(({ key }) => key).toSorted();
      assert.deepEqual(keys, ["cairn.actor", "cairn.node", "cairn.queued_ms"]);
      assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano));
    }

    const linksTo = (cause: CollectedSpan) => ({ links = [] }: CollectedSpan) =>
      links.some(({ spanId, traceId }) => spanId === cause.spanId && traceId === cause.traceId);
    const join = await collector.find(named("joiner write examples"));
    const step = await collector.find(named("trainer step"));
    assert.ok(linksTo(ranker)(join), "the join is linked to the ranking");
    assert.ok(linksTo(ranker)(step), "the step is linked to the ranking");
    const applied = await collector.find((span) =>
      span.name === "embedding_shard applyGradients" && span.parentSpanId === step.spanId
    );
    const sync = await collector.find((span) =>
      span.name === "parameter_sync carry rows" && linksTo(applied)(span)
    );
    const carried = await collector.find(named("serving_replica applyDelta"));
    assert.equal(carried.traceId, sync.traceId);
    // The other ranking asked for no trace, and none is configured.
    assert.equal(collector.spans.filter(named("POST /v1/rank")).length, 1);
  } finally {
    await server.kill("SIGTERM");
    await collector.stop();
  }
});
