/**
 * Goal: the newest spans of a node can be read, those of local traces reach no exporter, and a
 * client that asks for every trace costs nothing where none is exported.
 */
import assert from "node:assert/strict";
import { isLocal, isSampled, outwardContext, type Span } from "../../../mesh/ports/tracing.ts";
import { RecentSpans } from "../../../mesh/runtime/recent_spans.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { SpanRecorder } from "../../../mesh/simulation/span_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

const CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function spansFixture(exporter?: SpanRecorder) {
  const clock = new VirtualClock({ startMs: 1_000 });
  const random = new SeededRandom(1);
  const spans = new RecentSpans({ clock, random, ...(exporter && { exporter }) });
  const begin = (...args: Parameters<RecentSpans["begin"]>): Span => {
    const span = spans.begin(...args);
    assert.ok(span);
    return span;
  };
  return { clock, spans, begin };
}

Deno.test("a local trace is kept with parents, links, attributes and times", async () => {
  const { clock, spans, begin } = spansFixture();
  const request = begin("request", { kind: "server", isLocal: true });
  const child = begin("child", { parent: request.context, startedAtMs: 990, attributes: { a: 1 } });
  await clock.advance(5);
  child.setAttributes({ b: "two" });
  child.fail("late");
  child.end();
  child.end();
  request.end();
  const later = begin("later", { links: [request.context] });
  later.end();

  const traceId = request.context.slice(3, 35);
  const [first, second, third] = spans.find([traceId]);
  assert.deepEqual([first.name, second.name, third.name], ["child", "request", "later"]);
  assert.equal(first.parentSpanId, second.spanId);
  assert.deepEqual(first.attributes, { a: 1, b: "two" });
  assert.deepEqual([first.startedAtMs, first.tookMs, first.failure], [990, 15, "late"]);
  assert.notEqual(third.traceId, traceId);
  assert.deepEqual(third.linkedTraceIds, [traceId]);
  assert.equal(spans.find([traceId]).length, 3, "a span that ends twice is kept once");
  assert.deepEqual(spans.find(["another"]), []);
});

Deno.test("a local trace reaches no exporter; its context says so inside and not outside", () => {
  const exporter = new SpanRecorder();
  const { begin } = spansFixture(exporter);
  const { context } = begin("request", { isLocal: true });
  begin("child", { parent: context }).end();
  begin("caused", { links: [context] }).end();
  assert.deepEqual(exporter.spans, []);
  assert.ok(isSampled(context) && isLocal(context));
  assert.equal(outwardContext(context), `${context.slice(0, -2)}00`);
  assert.equal(outwardContext(CALLER), CALLER);
});

Deno.test("an exported trace is kept under the exporter's ids", () => {
  const exporter = new SpanRecorder();
  const { spans, begin } = spansFixture(exporter);
  const span = begin("request", { parent: CALLER });
  span.setAttributes({ status: 200 });
  span.end();
  const [exported] = exporter.spans;
  assert.equal(span.context, exported.context);
  assert.deepEqual(exported.attributes, { status: 200 });
  assert.equal(exported.ended, true);
  assert.equal(spans.find([CALLER.slice(3, 35)]).length, 1);
});

Deno.test("work of a local and of an exported trace is exported", () => {
  const exporter = new SpanRecorder();
  const { begin } = spansFixture(exporter);
  const { context } = begin("request", { isLocal: true });
  assert.equal(isLocal(begin("step", { links: [context, CALLER] }).context), false);
  assert.equal(exporter.spans.length, 1);
});

Deno.test("without an exporter, a caller's trace is not recorded", () => {
  assert.equal(spansFixture().spans.begin("request", { parent: CALLER }), undefined);
});

Deno.test("the newest spans are kept, and their number is bounded", () => {
  const { spans, begin } = spansFixture();
  const { context } = begin("request", { isLocal: true });
  for (let i = 0; i < 5_000; i++) begin(`child ${i}`, { parent: context }).end();
  const names = new Set(spans.find([context.slice(3, 35)]).map(({ name }) => name));
  assert.equal(names.size, 4_096);
  assert.ok(names.has("child 4999") && !names.has("child 0"));
});
