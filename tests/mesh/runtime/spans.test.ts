/**
 * Goal: a recorded request has a span at every actor on its way, with the time that it waited, and
 * a request that is not recorded costs no span.
 */
import assert from "node:assert/strict";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { SpanRecorder } from "../../../mesh/simulation/span_recorder.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";

const RECORDED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_RECORDED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const budgetMs = 1_000;

async function twoNodes() {
  const tracing = new SpanRecorder();
  const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs: 1 });
  const [home, away] = [mesh.node("home", { tracing }), mesh.node("away", { tracing })];
  mesh.link(home, away);
  home.setPlacement([["counter/away", "away"]]);
  away.setPlacement([["counter/home", "home"]]);
  await mesh.settle(away.spawn(counterDefinition(), "away", { start: 7 }));
  await mesh.settle(home.spawn(counterDefinition(), "home", { start: 5 }));
  return { mesh, home, tracing, first: home.actorRef<CounterMessage>("counter/home") };
}

Deno.test("each actor on the way of a recorded request has a span under that of its asker", async () => {
  const { mesh, first, tracing } = await twoNodes();
  const relay = { kind: "relay", path: ["counter/away"] } as const;
  await mesh.settle(first.ask(relay, { budgetMs, trace: RECORDED }));
  const [outer, inner] = tracing.spans;
  assert.equal(tracing.spans.length, 2);
  assert.equal(outer.name, "counter relay");
  assert.equal(outer.options.parent, RECORDED);
  assert.deepEqual(outer.attributes, {
    "cairn.actor": "counter/home",
    "cairn.node": "home",
    "cairn.queued_ms": 0,
  });
  assert.equal(inner.options.parent, outer.context);
  assert.equal(inner.attributes["cairn.node"], "away");
  assert.ok(Number(inner.attributes["cairn.queued_ms"]) >= 0);
  assert.deepEqual(tracing.spans.map(({ ended }) => ended), [true, true]);
});

Deno.test("an answer in a later turn ends the span then, and its asks belong to the span", async () => {
  const { mesh, first, tracing } = await twoNodes();
  const answer = first.ask({ kind: "answerLater", afterMs: 5 }, { budgetMs, trace: RECORDED });
  await mesh.advance(1);
  assert.equal(tracing.spans[0].ended, false);
  await mesh.settle(answer);
  assert.equal(tracing.spans[0].ended, true);
  const { trace } = mesh.telemetry.lines.at(-1)?.fields ?? {};
  assert.equal(trace, tracing.spans[0].context, "traceOf a kept request");
});

Deno.test("a span of a request that fails, or is given up, says so and ends", async () => {
  const { mesh, first, tracing } = await twoNodes();
  await assert.rejects(
    mesh.settle(first.ask({ kind: "answerLater" }, { budgetMs: 10, trace: RECORDED })),
  );
  await assert.rejects(
    mesh.settle(first.ask({ kind: "crashOnAsk" }, { budgetMs, trace: RECORDED })),
  );
  const [late, crashed] = tracing.spans;
  assert.ok(crashed.ended && crashed.failure !== undefined);
  assert.ok(late.ended);
  assert.match(late.failure ?? "", /timeout 10 ms/);
});

Deno.test("a request that is not recorded has no spans", async () => {
  const { mesh, first, tracing } = await twoNodes();
  const relay = { kind: "relay", path: ["counter/away"] } as const;
  for (const trace of [undefined, NOT_RECORDED]) {
    await mesh.settle(first.ask(relay, { budgetMs, trace }));
  }
  assert.deepEqual(tracing.spans, []);
});
