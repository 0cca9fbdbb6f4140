/**
 * Behaviour that all endpoints share: keys, bounds, traces, metrics, documentation.
 */
import assert from "node:assert/strict";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import { ActorFailedError } from "../../mesh/runtime/errors.ts";
import { problems } from "../../gateway/problems.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
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

Deno.test("slow rankings, and a busy event loop, shed requests above the 32 that are always admitted", async () => {
  class LateClock extends VirtualClock {
    lateMs = 0;
    override monotonicMs(): number {
      return super.monotonicMs() + this.lateMs;
    }
  }
  const clock = new LateClock({ startMs });
  const { post, ranker } = gatewayFixture({ clock });
  let held = Promise.withResolvers<void>();
  ranker.script = async (rank) => {
    await held.promise;
    return ranker.inOrder(rank);
  };
  const send = async (requests: number) => {
    const answers = Array.from({ length: requests }, () => post("/v1/rank", rankBody));
    await clock.advance(1);
    return answers;
  };
  const release = async (answers: readonly (Response | Promise<Response>)[]) => {
    held.resolve();
    for (const answer of answers) assert.equal((await answer).status, 200);
    held = Promise.withResolvers();
  };

  const first = await send(33);
  clock.lateMs = 400;
  const late = await post("/v1/rank", rankBody);
  assert.equal(late.status, 429);
  assert.match((await json(late)).detail, /more than 250 ms behind/);
  clock.lateMs = 0;
  await clock.advance(600);
  await release(first);

  const next = await send(40);
  await clock.advance(100);
  const above = await post("/v1/rank", rankBody);
  assert.equal(above.status, 429);
  assert.match((await json(above)).detail, /40 requests .* keeps up with 32/);
  await release(next);
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

/** A request whose body is `chunks`, and then stays open. */
function openBody(...chunks: readonly string[]) {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
    },
    cancel() {
      cancelled = true;
    },
  });
  const headers = { "content-type": "application/json" };
  const request = new Request("http://cairn/v1/rank", { method: "POST", headers, body });
  return { request, isCancelled: () => cancelled };
}

Deno.test("a body that is late or too large is cancelled, so that its connection closes", async () => {
  const { app, clock } = gatewayFixture({ options: { deadlineMs: 100, bodyBytesMax: 10 } });
  const late = openBody("{");
  assert.equal((await clock.settle(Promise.resolve(app.request(late.request)))).status, 408);
  assert.ok(late.isCancelled());
  const large = openBody("[".repeat(11));
  assert.equal((await app.request(large.request)).status, 413);
  assert.ok(large.isCancelled());
});

Deno.test("memory is taken for bytes that arrive, and bounded for all bodies together", async () => {
  const options = { bodiesBytesMax: 1_000, bodyBytesMax: 800, deadlineMs: 100 };
  const { app, clock, post } = gatewayFixture({ options });
  const slow = [openBody("x".repeat(400)), openBody("x".repeat(400))];
  const held = slow.map(({ request }) => Promise.resolve(app.request(request)));
  await clock.advance(0);
  const large = await post("/v1/rank", { user: "u".repeat(250), candidates: [{ id: "a" }] });
  assert.equal(large.status, 429);
  assert.match((await json(large)).detail, /have 800 bytes, and gateway\.bodiesMax is 1000/);
  assert.equal((await post("/v1/rank", rankBody)).status, 200, "a small body still fits");
  for (const response of held) assert.equal((await clock.settle(response)).status, 408);
  const again = await post("/v1/rank", { user: "u".repeat(250), candidates: [{ id: "a" }] });
  assert.equal(again.status, 200, "finished requests give their bytes back");
});

Deno.test("a Host header that is more than a host is refused on every path", async () => {
  const { app } = gatewayFixture();
  for (const host of ["x/health/live?", "x#", "x\\y", "user@x"]) {
    for (const path of ["/health/live", "/metrics", "/nowhere"]) {
      const response = await app.request(new Request(`http://cairn${path}`, { headers: { host } }));
      assert.equal(response.status, 400, `${host} ${path}`);
    }
  }
  for (const host of ["cairn:8080", "[::1]:8080", "127.0.0.1"]) {
    const request = new Request("http://cairn/health/live", { headers: { host } });
    assert.equal((await app.request(request)).status, 200, host);
  }
});

Deno.test("neither answers nor log lines contain a key", async () => {
  const key = "a-secret-key-of-32-characters-xx";
  const { post, ranker, telemetry } = gatewayFixture({ options: { apiKeys: [key] } });
  const headers = { authorization: `Bearer ${key}`, "x-api-key": `${key}-wrong` };
  const answers = [
    await post("/v1/rank", rankBody, { ...headers, authorization: `Bearer ${key}-wrong` }),
    await post("/v1/rank", "{", headers),
    await post("/v1/events", rankBody, headers),
  ];
  ranker.script = () => Promise.reject(new Error("a defect"));
  answers.push(await post("/v1/rank", rankBody, headers));
  assert.deepEqual(answers.map(({ status }) => status), [401, 400, 422, 500]);
  for (const answer of answers) assert.doesNotMatch(await answer.text(), /a-secret-key/);
  assert.equal(telemetry.lines.length, 1);
  assert.doesNotMatch(JSON.stringify(telemetry.lines), /a-secret-key/);
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
