/**
 * Goal: a collector gets the spans of a ranking through every actor, and of the join, the step and
 * the sync that learn from it, linked to it.
 *
 * Method: `cairn serve` with threads and Deno's exporter; this test is the collector.
 */
import assert from "node:assert/strict";
import { type CollectedSpan, Collector } from "./collector.ts";
import { MeshProcess } from "./mesh_process.ts";

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
      span.name === "row_feed carry rows" && linksTo(applied)(span)
    );
    const carried = await collector.find(named("serving_replica applyDelta"));
    assert.equal(carried.traceId, sync.traceId);
    // The other ranking asked for no trace, and none is configured.
    assert.equal(collector.spans.filter(named("POST /v1/rank")).length, 1);
    assert.deepEqual(collector.spans.filter(named("POST")), [], "Deno adds no span of its own");
  } finally {
    await server.kill("SIGTERM");
    await collector.stop();
  }
});
