/**
 * Goal: the stream shows all rankings and events, costs bounded memory, and ends when the server
 * stops.
 *
 * Method: the gateway on doubles and a virtual clock; the stream is read as a browser reads it.
 */
import assert from "node:assert/strict";
import { Console, SAMPLE_MS } from "../../../gateway/console/console.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { type FixtureParts, gatewayFixture, startMs } from "../fixture.ts";
import { consoleDoubles } from "./console_doubles.ts";

function consoleFixture(parts: FixtureParts = {}) {
  const clock = new VirtualClock({ startMs });
  let events = 0;
  const telemetry = new TelemetryRecorder();
  const eventLog = new MemoryEventLog({ name: "events", partitions: 2 });
  const sources = consoleDoubles({
    eventLog,
    metrics: () =>
      Promise.resolve([{
        host: "",
        families: [{
          name: "cairn_events_total",
          values: [{ value: events += 50, labels: { status: "accepted" } }],
        }],
      }]),
  });
  const console = new Console({ clock, telemetry, sources });
  const fixture = gatewayFixture({ ...parts, clock, console, eventLog });
  console.start();
  const post = (path: string, body: unknown) =>
    fixture.app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return { ...fixture, console, clock, post };
}

/** Reads one message of a stream after the other. */
async function openStream(
  app: ReturnType<typeof consoleFixture>["app"],
  headers: HeadersInit = {},
) {
  const response = await app.request("/console/stream", { headers });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body!.getReader();
  async function next() {
    const { done, value } = await reader.read();
    if (done) return undefined;
    const text = new TextDecoder().decode(value);
    const [, event, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text)!;
    return { event, data: JSON.parse(data) };
  }
  return {
    next,
    /** The next message of this event. */
    async nextOf(event: string) {
      for (;;) {
        const message = await next();
        assert.ok(message, `the stream ended before ${event}`);
        if (message.event === event) return message.data;
      }
    },
    close: () => reader.cancel(),
  };
}

Deno.test("a viewer gets the history, then the newest requests, then each sample", async () => {
  const { app, clock, post } = consoleFixture();
  await clock.advance(3 * SAMPLE_MS);
  const stream = await openStream(app);
  const history = await stream.next();
  assert.equal(history?.event, "history");
  // The first reading only begins an interval.
  assert.deepEqual(history.data.series.charts.events.accepted, [10, 10]);
  assert.equal(history.data.series.timesMs.length, 2);
  const charts: { id: string; awaits?: string }[] = history.data.charts;
  assert.equal(
    charts.find(({ id }) => id === "auc")?.awaits,
    "a trainer publishes this after 1000 examples of the task clicked; a task needs positives " +
      "and negatives, and one with values as labels has no AUC",
  );

  await post("/v1/rank", { user: "ann", rankingId: "r-1", candidates: [{ id: "a" }] });
  await clock.advance(0);
  const activity = await stream.nextOf("activity");
  assert.equal(activity.state.status, "ready");
  assert.deepEqual(activity.rankings.map((seen: { user: string }) => seen.user), ["ann"]);

  await clock.advance(SAMPLE_MS);
  const sample = await stream.nextOf("sample");
  assert.deepEqual(sample.points.events, { accepted: 10 });
  await stream.close();
});

Deno.test("an event is known from the first answer that learned from it", async () => {
  const { app, clock, post, ranker } = consoleFixture();
  await post("/v1/rank", { user: "ann", rankingId: "r-1", candidates: [{ id: "a" }] });
  const event = { eventId: "e-1", rankingId: "r-1", item: "a", action: "click" };
  const { events: [{ acceptedAtMs }] } = await (await post("/v1/events", event)).json();
  const seen = async () => {
    const stream = await openStream(app);
    await stream.next();
    await clock.advance(0);
    const activity = await stream.nextOf("activity");
    await stream.close();
    return activity.events;
  };
  await post("/v1/rank", { user: "ann", candidates: [{ id: "a" }] });
  assert.deepEqual(await seen(), [{ ...event, acceptedAtMs, host: "" }]);

  await clock.advance(600);
  ranker.status = { ...ranker.status, learnedThroughMs: acceptedAtMs };
  await post("/v1/rank", { user: "ann", candidates: [{ id: "a" }] });
  assert.deepEqual(await seen(), [{
    ...event,
    acceptedAtMs,
    knownAtMs: startMs + 600,
    host: "",
  }]);
});

Deno.test("refused requests and refused events of a list are shown with their reasons", async () => {
  const { console, post } = consoleFixture();
  await post("/v1/rank", { user: "ann" });
  await post("/v1/events", [{ eventId: "e-1", rankingId: "none", item: "a", action: "click" }]);
  const kinds = console.activity.read().refusals.map(({ kind }) => kind);
  assert.ok(kinds.includes("invalid-request"), kinds.join());
  assert.ok(kinds.includes("unknown-ranking"), kinds.join());
});

Deno.test("a flood is sampled, counted, and keeps its newest entries", async () => {
  const { clock, console, post } = consoleFixture();
  for (let second = 0; second < 30; second++) {
    for (let i = 0; i < 25; i++) await post("/v1/rank", { user: `user-${second}` });
    await clock.advance(1000);
  }
  const { refusals } = console.activity.read();
  assert.equal(refusals.length, 100);
  assert.equal(refusals.reduce((sum, { leftOut }) => sum + leftOut, 0), 15 * 10);
  assert.equal(refusals[0].atMs, startMs + 29_000);
});

Deno.test("the stream needs a key where keys are configured; the page holds nothing", async () => {
  const { app } = consoleFixture({ options: { apiKeys: ["a key of sixteen or more"] } });
  assert.equal((await app.request("/console/stream")).status, 401);
  assert.equal((await app.request("/console")).status, 200);
  const stream = await openStream(app, { authorization: "Bearer a key of sixteen or more" });
  assert.equal((await stream.next())?.event, "history");
  await stream.close();
});

Deno.test("streams are bounded in number, and a closed one makes room", async () => {
  const { app } = consoleFixture();
  const streams = [];
  for (let i = 0; i < 32; i++) streams.push(await openStream(app));
  const refused = await app.request("/console/stream");
  assert.equal(refused.status, 503);
  await refused.body?.cancel();
  await streams[0].close();
  streams.push(await openStream(app));
  await Promise.all(streams.map((stream) => stream.close()));
});

Deno.test("a HEAD request for the stream takes no viewer's place", async () => {
  const { app } = consoleFixture();
  for (let i = 0; i < 33; i++) await app.request("/console/stream", { method: "HEAD" });
  const stream = await openStream(app);
  await stream.close();
});

Deno.test("streams end when the server stops, and no timer is left", async () => {
  const { app, clock, console } = consoleFixture();
  const stream = await openStream(app);
  await stream.next();
  console.stop();
  console.stop();
  assert.equal(await stream.next(), undefined);
  await clock.advance(10 * SAMPLE_MS);
  const late = await app.request("/console/stream");
  assert.equal(late.status, 503);
  await late.body?.cancel();
});

Deno.test("the files of the page are served, and refer to nothing outside the server", async () => {
  const { app } = consoleFixture();
  const page = await (await app.request("/console")).text();
  assert.doesNotMatch(page, /https?:\/\//);
  const files = [...page.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, path]) => path);
  for (const path of files) {
    const response = await app.request(path);
    assert.equal(response.status, 200, path);
    for (const [, name] of (await response.text()).matchAll(/from "\.\/([\w.]+)"/g)) {
      const imported = await app.request(`/console/${name}`);
      assert.equal(imported.status, 200, name);
      await imported.body?.cancel();
    }
  }
});
