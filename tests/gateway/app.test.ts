/**
 * Behaviour that all endpoints share: keys, load shedding, traces, metrics, health, documentation.
 */
import assert from "node:assert/strict";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import type { JoinerMessage } from "../../actors/joiner/protocol.ts";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import { LogUnavailableError } from "../../mesh/ports/event_log.ts";
import { ActorFailedError, decodeError, encodeError } from "../../mesh/runtime/errors.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { problems } from "../../gateway/problems.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

const rankBody = { user: "u", candidates: [{ id: "a" }] };

Deno.test("any configured key is accepted in either header, and health needs no key", async () => {
  const { app, post } = gatewayFixture({ options: { apiKeys: ["key-one", "schlüssel"] } });
  for (
    const headers of [
      { "authorization": "Bearer key-one" },
      { "authorization": "bearer  key-one" },
      { "x-api-key": "key-one" },
    ]
  ) assert.equal((await post("/v1/rank", rankBody, headers)).status, 200);
  assert.equal((await post("/v1/rank", rankBody)).status, 401);
  for (const path of ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/"]) {
    assert.equal((await app.request(path)).status, 200, path);
  }
});

Deno.test("past requestsInFlightMax a request is shed with Retry-After, and health still answers", async () => {
  const { app, post, ranker, telemetry } = gatewayFixture({ options: { requestsInFlightMax: 2 } });
  const held: PromiseWithResolvers<Ranking>[] = [];
  ranker.script = () => {
    const ranking = Promise.withResolvers<Ranking>();
    held.push(ranking);
    return ranking.promise;
  };
  const first = [post("/v1/rank", rankBody), post("/v1/rank", rankBody)];
  await new Promise((resolve) => setImmediate(resolve));
  const shed = await post("/v1/rank", rankBody);
  assert.equal(shed.status, 429);
  assert.equal(shed.headers.get("retry-after"), "1");
  assert.match((await json(shed)).detail, /2 requests are in progress.*requestsInFlightMax is 2/);
  assert.equal(telemetry.value("cairn_http_requests_shed_total"), 1);
  assert.equal((await app.request("/health/live")).status, 200);
  for (const ranking of held) ranking.resolve(ranker.inOrder(ranker.asked[0]));
  for (const response of first) assert.equal((await response).status, 200);
  ranker.script = (rank) => ranker.inOrder(rank);
  assert.equal(
    (await post("/v1/rank", rankBody)).status,
    200,
    "finished requests are no longer counted",
  );
});

Deno.test("a body that never ends is answered 408 at the deadline and no longer counted", async () => {
  const { app, post, clock } = gatewayFixture({
    options: { deadlineMs: 100, requestsInFlightMax: 1 },
  });
  const slow = app.request(
    new Request("http://cairn/v1/rank", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }),
    }),
  );
  const response = await clock.settle(Promise.resolve(slow));
  assert.equal(response.status, 408);
  assert.equal((await json(response)).type, "/problems/body-timeout");
  assert.equal((await post("/v1/rank", rankBody)).status, 200);
});

Deno.test("a body that breaks off is answered as a client error", async () => {
  const { app } = gatewayFixture();
  const response = await app.request(
    new Request("http://cairn/v1/rank", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new ReadableStream({ start: (controller) => controller.error(new Error("reset")) }),
    }),
  );
  assert.equal(response.status, 400);
  assert.equal((await json(response)).type, "/problems/malformed-request");
});

Deno.test("a valid trace is continued and an invalid one is replaced", async () => {
  const { post } = gatewayFixture();
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const on = await post("/v1/rank", {}, { traceparent: `00-${trace}-b7ad6b7169203331-01` });
  assert.match(on.headers.get("traceparent") ?? "", new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  assert.doesNotMatch(on.headers.get("traceparent") ?? "", /b7ad6b7169203331/);
  assert.equal((await json(on)).traceId, trace);

  for (
    const bad of [
      "",
      "garbage",
      `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `ff-${trace}-b7ad6b7169203331-01`,
    ]
  ) {
    const answer = await post("/v1/rank", rankBody, { traceparent: bad });
    const made = answer.headers.get("traceparent") ?? "";
    assert.match(made, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.doesNotMatch(made, new RegExp(trace));
  }
});

Deno.test("request metrics are labelled by endpoint, so ids and wrong paths add no series", async () => {
  const { app, clock, post, ranker, telemetry } = gatewayFixture();
  ranker.script = async (rank) => {
    await clock.delay(20);
    return ranker.inOrder(rank);
  };
  await clock.settle(Promise.resolve(post("/v1/rank", rankBody)));
  await app.request("/v1/items/a");
  await app.request("/v1/items/b");
  await app.request("/wp-login.php");
  const seconds = (method: string, route: string, status: string) =>
    telemetry.samples("cairn_http_request_seconds", { method, route, status });
  assert.deepEqual(seconds("POST", "/v1/rank", "200"), [0.02]);
  assert.equal(seconds("GET", "/v1/items/{id}", "404").length, 2);
  assert.equal(seconds("other", "none", "404").length, 1);
});

Deno.test("repeated failures write at most five log lines a second, and the next line counts the omitted ones", async () => {
  const { clock, post, ranker, telemetry } = gatewayFixture();
  ranker.script = () => Promise.reject(new ActorFailedError("ranker/0", "restarting"));
  const fail = async (times: number) => {
    for (let i = 0; i < times; i++) assert.equal((await post("/v1/rank", rankBody)).status, 503);
  };
  await fail(20);
  assert.equal(telemetry.lines.length, 5);
  await clock.advance(1000);
  await fail(1);
  assert.equal(telemetry.lines.length, 6);
  assert.equal(telemetry.lines[5].fields.leftOut, 15);
});

Deno.test("while the event log refuses appends, the server is not ready and answers carry the remedy", async () => {
  const eventLog = new MemoryEventLog({ name: "events", partitions: 1, bytesMax: 10 });
  const { app, post, rank, ranker } = gatewayFixture({ eventLog });
  await rank("r", ["a"]);
  assert.equal((await app.request("/health/ready")).status, 200);
  const event = { eventId: "e", rankingId: "r", item: "a", action: "click" };
  const refused = await post("/v1/events", event);
  assert.equal(refused.status, 503);
  const notReady = await app.request("/health/ready");
  assert.equal(notReady.status, 503);
  assert.match((await json(notReady)).detail, /Neither rankings nor events.*its limit is 10/);

  const failed = new LogUnavailableError("/data/events", "Free disk space.", "No space left");
  ranker.script = () => Promise.reject(decodeError(structuredClone(encodeError(failed))));
  const ranking = await post("/v1/rank", rankBody);
  assert.equal(ranking.status, 503);
  const problem = await json(ranking);
  assert.equal(problem.type, "/problems/unavailable");
  assert.match(problem.detail, /No space left\. Free disk space\./);
});

Deno.test("a live server that cannot rank is not ready", async () => {
  const { app, ranker } = gatewayFixture();
  ranker.status = { ready: false, modelVersion: 0, learnedThroughMs: 0 };
  assert.deepEqual(await json(app.request("/health/live")), { status: "live" });
  const notReady = await app.request("/health/ready");
  assert.equal(notReady.status, 503);
  assert.equal(notReady.headers.get("retry-after"), "1");
  assert.equal((await json(notReady)).type, "/problems/not-ready");
  ranker.status = { ready: true, modelVersion: 4, learnedThroughMs: startMs };
  assert.deepEqual(await json(app.request("/health/ready")), {
    status: "ready",
    modelVersion: 4,
    learnedThroughMs: startMs,
  });
});

Deno.test("diverged training is a warning, because the server still ranks", async () => {
  const answers: (() => Promise<unknown>)[] = [
    () => Promise.resolve({ steps: 3 }),
    () => Promise.resolve({ steps: 3, diverged: "The loss is not finite." }),
    () => Promise.reject(new ActorFailedError("trainer/0", "restarting after a crash")),
  ];
  const warnings = await Promise.all(answers.map(async (ask) => {
    const trainer = { address: "trainer/0", tell() {}, ask } as ActorRef<TrainerMessage>;
    const response = await gatewayFixture({ trainers: [trainer] }).app.request("/health/ready");
    assert.equal(response.status, 200);
    return (await json(response)).warning;
  }));
  assert.deepEqual(warnings, [undefined, "The loss is not finite.", undefined]);
});

Deno.test("a full example log is a warning until it takes examples again", async () => {
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1, bytesMax: 10 });
  const { app } = gatewayFixture({ exampleLog });
  const warning = async () => {
    const response = await app.request("/health/ready");
    assert.equal(response.status, 200);
    return (await json(response)).warning;
  };
  assert.equal(await warning(), undefined);
  await exampleLog.append(0, [new Uint8Array(8)]);
  await exampleLog.append(0, [new Uint8Array(8)]).catch(() => {});
  assert.match(await warning(), /^No new examples reach the trainers: .*"examples" holds 8 bytes/);
  await exampleLog.trim(0, 1);
  assert.equal(await warning(), undefined);
});

Deno.test("the joiner's warning is one of the server's, and a joiner that fails has none", async () => {
  const answers: (() => Promise<unknown>)[] = [
    () => Promise.resolve({ warning: undefined }),
    () => Promise.resolve({ warning: "7 examples were dropped." }),
    () => Promise.reject(new ActorFailedError("joiner/0", "restarting after a crash")),
  ];
  const warnings = await Promise.all(answers.map(async (ask) => {
    const joiner = { address: "joiner/0", tell() {}, ask } as ActorRef<JoinerMessage>;
    const response = await gatewayFixture({ joiner }).app.request("/health/ready");
    assert.equal(response.status, 200);
    return (await json(response)).warning;
  }));
  assert.deepEqual(warnings, [undefined, "7 examples were dropped.", undefined]);
});

Deno.test("a failing ranker makes the server not ready, with the reason", async () => {
  const { app, ranker } = gatewayFixture();
  Object.defineProperty(ranker, "status", {
    get() {
      throw new ActorFailedError("ranker/0", "restarting after a crash");
    },
  });
  const response = await app.request("/health/ready");
  assert.equal(response.status, 503);
  assert.match((await json(response)).detail, /restarting after a crash/);
});

Deno.test("metrics are answered in Prometheus' text format", async () => {
  const { app } = gatewayFixture();
  const response = await app.request("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(await response.text(), "# metrics\n");
});

Deno.test("every problem type has a page that explains it", async () => {
  const { app } = gatewayFixture();
  for (const [kind, { title, status }] of Object.entries(problems)) {
    const response = await app.request(`/problems/${kind}`);
    assert.equal(response.status, 200, kind);
    const text = await response.text();
    assert.ok(text.startsWith(`/problems/${kind} (HTTP ${status})`) && text.includes(title), text);
  }
});

Deno.test("the API page loads from this server only and can be switched off", async () => {
  const { app } = gatewayFixture();
  const page = await app.request("/");
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'self'/);
  const html = await page.text();
  assert.doesNotMatch(html, /https?:\/\//);
  for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
    const asset = await app.request(path);
    assert.equal(asset.status, 200, path);
    assert.doesNotMatch(await asset.text(), /https?:\/\/(?!www\.w3\.org)/, path);
  }
  const without = gatewayFixture({ options: { docsPage: false } }).app;
  assert.equal((await without.request("/")).status, 404);
  assert.equal((await without.request("/openapi.json")).status, 200);
});
