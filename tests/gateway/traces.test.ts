/**
 * Goal: the caller decides whether its request is recorded; of other requests the configured share
 * is; the answer's `traceparent` names the span.
 */
import assert from "node:assert/strict";
import { SpanRecorder } from "../../mesh/simulation/span_recorder.ts";
import { gatewayFixture } from "./fixture.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = `00-${TRACE}-b7ad6b7169203331`;

function tracedFixture(tracedShare: number) {
  const tracing = new SpanRecorder();
  const fixture = gatewayFixture({ tracing, options: { tracedShare } });
  const rank = (headers: Record<string, string> = {}) =>
    fixture.post("/v1/rank", { user: "ann", candidates: [{ id: "a" }] }, headers);
  return { ...fixture, tracing, rank };
}

Deno.test("a request that its caller records has a span under the caller's", async () => {
  const { rank, ranker, tracing } = tracedFixture(0);
  const response = await rank({ traceparent: `${CALLER}-01` });
  const [span] = tracing.spans;
  assert.equal(span.name, "POST /v1/rank");
  assert.equal(span.options.parent, `${CALLER}-01`);
  assert.deepEqual(span.attributes, {
    "http.request.method": "POST",
    "http.route": "/v1/rank",
    "http.response.status_code": 200,
  });
  assert.equal(span.ended, true);
  assert.equal(response.headers.get("traceparent"), span.context);
  assert.equal(ranker.askedWith[0].trace, span.context);
});

Deno.test("a request that its caller does not record has none, whatever the share", async () => {
  const { rank, tracing } = tracedFixture(1);
  await rank({ traceparent: `${CALLER}-00` });
  assert.deepEqual(tracing.spans, []);
});

Deno.test("without a caller's trace, the share of the requests is recorded", async () => {
  for (const [share, least, most] of [[0, 0, 0], [0.25, 60, 140], [1, 400, 400]]) {
    const { rank, tracing } = tracedFixture(share);
    for (let i = 0; i < 400; i++) await (await rank()).body?.cancel();
    const recorded = tracing.spans.length;
    assert.ok(recorded >= least && recorded <= most, `${recorded} of 400 at ${share}`);
  }
});

Deno.test("a failure of the server marks the span; a client's mistake does not", async () => {
  const { post, rank, ranker, tracing } = tracedFixture(1);
  await post("/v1/rank", { user: 1 });
  ranker.script = () => Promise.reject(new Error("a defect"));
  await rank();
  assert.deepEqual(tracing.spans.map(({ failure }) => failure), [undefined, "status 500"]);
  assert.deepEqual(tracing.spans.map(({ ended }) => ended), [true, true]);
});
