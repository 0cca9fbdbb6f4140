/**
 * Goal: "what did this user get, and why" is answered from the event log, and one ranking can be
 * followed to the first score that knows the events on it.
 *
 * Method: the gateway on doubles; the log has real impressions, the spans are scripted.
 */
import assert from "node:assert/strict";
import { Console } from "../../../gateway/console/console.ts";
import type { ConsoleSources, NodeSpan } from "../../../gateway/console/sources.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { encodeEvent, eventPartition, type RankingRecord } from "../../../records/event_record.ts";
import { action, COLUMNS, impression, report } from "../../actors/joiner/records.ts";
import { gatewayFixture, startMs } from "../fixture.ts";
import { consoleDoubles } from "./console_doubles.ts";

const PARTITIONS = 2;

function storyFixture(sources: Partial<ConsoleSources> = {}) {
  const clock = new VirtualClock({ startMs });
  const eventLog = new MemoryEventLog({ name: "events", partitions: PARTITIONS });
  const console = new Console({
    clock,
    telemetry: new TelemetryRecorder(),
    sources: consoleDoubles({ eventLog, columns: COLUMNS, ...sources }),
  });
  const { app } = gatewayFixture({ clock, eventLog, console });
  const append = async (record: RankingRecord) =>
    void await eventLog.append(eventPartition(record.rankingId, PARTITIONS), [encodeEvent(record)]);
  const get = async (path: string) => {
    const response = await app.request(path);
    return { status: response.status, body: await response.json() };
  };
  return { console, eventLog, append, get, clock };
}

function shown(ranking: string, user: string, atMs = startMs, trace?: string) {
  const record = impression({ ranking, items: ["x", "y"], atMs, acceptedAtMs: atMs });
  return { ...record, user, ...(trace !== undefined && { trace }) };
}

Deno.test("the newest rankings of a user are found, with the events on them", async () => {
  const { append, get } = storyFixture();
  for (let i = 0; i < 200; i++) await append(shown(`other-${i}`, "bob", startMs + i));
  await append(shown("first", "ann", startMs + 1_000));
  await append(shown("second", "ann", startMs + 2_000));
  await append(action({ ranking: "first", item: "x", action: "click", atMs: startMs + 3_000 }));
  for (let i = 0; i < 200; i++) await append(shown(`late-${i}`, "bob", startMs + 4_000));
  const { status, body } = await get("/console/rankings?user=ann");
  assert.equal(status, 200);
  assert.deepEqual(
    body.rankings.map((
      { rankingId, items, actions }: Record<string, unknown>,
    ) => [rankingId, items, actions]),
    [["second", 2, []], ["first", 2, ["click on x"]]],
  );
  assert.equal(body.isPartial, false);
  assert.ok(body.recordsRead >= 203);
});

Deno.test("a report of shown items is a step of its ranking", async () => {
  const { append, get } = storyFixture();
  await append(shown("r", "ann"));
  await append(report({ ranking: "r", items: ["y", "x"], atMs: startMs, acceptedAtMs: startMs }));
  const { body } = await get("/console/rankings/r");
  assert.deepEqual(
    body.steps.map(({ kind, text }: Record<string, unknown>) => [kind, text]),
    [["impression", "logged with its features"], ["shown", "reported as shown: y, x"]],
  );
  const { body: ofUser } = await get("/console/rankings?user=ann");
  assert.deepEqual(ofUser.rankings[0].actions, []);
});

Deno.test("a search ends at the oldest record that is left, and needs a user", async () => {
  const { append, get, eventLog } = storyFixture();
  for (let i = 0; i < 300; i++) await append(shown(`r-${i}`, "bob"));
  for (let partition = 0; partition < PARTITIONS; partition++) await eventLog.trim(partition, 100);
  const { body } = await get("/console/rankings?user=ann");
  assert.deepEqual([body.rankings, body.isPartial], [[], false]);
  assert.equal((await get("/console/rankings")).status, 422);
  assert.equal((await get("/console/rankings/%ff")).status, 400);
});

Deno.test("a ranking is explained from the features that were served", async () => {
  const explained: number[] = [];
  const { append, get } = storyFixture({
    explain: ({ rows, ids, dense }) => {
      explained.push(rows, ids.length, dense.length);
      return Promise.resolve([
        [{ slot: "item", contribution: 0.5 }],
        [{ slot: "item", contribution: -0.25 }],
      ]);
    },
  });
  await append(shown("r", "ann"));
  const { body } = await get("/console/rankings/r");
  assert.deepEqual(explained, [2, 4, 2]);
  assert.deepEqual(
    body.items.map(({ id, explanation }: Record<string, unknown>) => [
      id,
      explanation,
    ]),
    [
      ["x", [{ slot: "item", contribution: 0.5 }]],
      ["y", [{ slot: "item", contribution: -0.25 }]],
    ],
  );
  assert.deepEqual([body.isLogged, body.isTraced], [true, false]);
});

Deno.test("rows of another schema are shown without an explanation, and the answer says so", async () => {
  const { append, get } = storyFixture({ columns: { ...COLUMNS, schemaFingerprint: 6 } });
  await append(shown("r", "ann"));
  const { body } = await get("/console/rankings/r");
  assert.equal(body.unexplained, "It was made with other features.");
  assert.deepEqual(body.items.map(({ id }: { id: string }) => id), ["x", "y"]);
});

Deno.test("the way of a ranking follows links from the join to the sync, over all hosts", async () => {
  const trace = (digit: string) => digit.repeat(32);
  const [request, join, step, sync] = ["1", "2", "3", "4"].map(trace);
  const span = (name: string, traceId: string, atMs: number, links: string[]): NodeSpan => ({
    name,
    traceId,
    spanId: `${name} ${atMs}`,
    parentSpanId: undefined,
    linkedTraceIds: links,
    startedAtMs: startMs + atMs,
    tookMs: 1,
    attributes: name === "trainer step" ? { "cairn.examples": 8 } : {},
    failure: undefined,
    host: "learn",
    node: "learn:main",
  });
  const all = [
    span("joiner write examples", join, 20, [request]),
    span("trainer step", step, 30, [request]),
    span("embedding_shard applyGradients", step, 31, []),
    span("row_feed carry rows", sync, 40, [step]),
    span("serving_replica applyDelta", sync, 41, []),
    span("trainer step", trace("9"), 50, [trace("8")]),
  ];
  const { append, get } = storyFixture({
    spans: (ids) =>
      Promise.resolve(
        all.filter(({ traceId, linkedTraceIds }) =>
          ids.includes(traceId) || linkedTraceIds.some((id) => ids.includes(id))
        ),
      ),
  });
  await append(shown("r", "ann", startMs, `00-${request}-${"5".repeat(16)}-05`));
  const [atMs, acceptedAtMs] = [startMs + 10, startMs + 10];
  await append(action({ ranking: "r", item: "x", action: "click", atMs, acceptedAtMs }));
  const { body } = await get("/console/rankings/r");
  assert.deepEqual(body.steps.map(({ kind }: { kind: string }) => kind), [
    "impression",
    "action",
    "example",
    "training",
    "rows",
    "sync",
    "sync",
  ]);
  assert.match(body.steps[3].text, /8 examples/);
  assert.equal(body.isTraced, true);
});

Deno.test("a ranking that nothing knows is a 404, which says where to look", async () => {
  const { append, get } = storyFixture();
  const { status, body } = await get("/console/rankings/none");
  assert.deepEqual([status, body.type], [404, "/problems/ranking-not-kept"]);
  assert.equal(
    body.detail,
    'Neither the event log nor the newest rankings have a ranking "none". Check the id, or search ' +
      "the log for the rankings of its user: GET /console/rankings?user=user-7.",
  );
  await append(shown("r", "ann"));
  const { status: found, body: ofUser } = await get("/console/rankings?user=nobody");
  assert.deepEqual([found, ofUser.rankings], [200, []], "a search that finds nothing succeeds");
});

Deno.test("a log that is not read to its beginning may still have the ranking", async () => {
  const { append, get, eventLog, clock } = storyFixture();
  for (let i = 0; i < 300; i++) await append(shown(`r-${i}`, "bob"));
  const read = eventLog.read.bind(eventLog);
  eventLog.read = async (...args) => {
    await clock.advance(1_500);
    return await read(...args);
  };
  const { status, body } = await get("/console/rankings/none");
  assert.equal(status, 404);
  assert.match(body.detail, /^Neither the newest \d+ records of the event log nor the newest ran/);
});

Deno.test("a wrong query of the console says what to send", async () => {
  const { get } = storyFixture();
  const detailOf = async (path: string) => (await get(path)).body.detail;
  assert.match(await detailOf("/console/rankings"), /^#\/user is missing; send text of 1 to 256/);
  assert.match(
    await detailOf("/console/rankings?user="),
    /^#\/user is the text ""; send text of 1/,
  );
  assert.match(
    await detailOf("/console/rankings?user=ann&usr=bob"),
    /^#\/usr is an unknown field; send only user \(did you mean user\?\)/,
  );
  assert.match(
    await detailOf(`/console/rankings/${"r".repeat(257)}`),
    /^#\/rankingId is a text of 257 characters .*; send text of 1 to 256 characters/,
  );
});

Deno.test("one search runs at a time", async () => {
  const { append, get, eventLog } = storyFixture();
  await append(shown("r", "ann"));
  const read = eventLog.read.bind(eventLog);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  eventLog.read = async (...args) => {
    await held;
    return await read(...args);
  };
  const first = get("/console/rankings?user=ann");
  const second = await get("/console/rankings?user=ann");
  assert.equal(second.status, 503);
  release();
  assert.equal((await first).body.rankings.length, 1);
});

Deno.test("the first ranking of each second is followed, and the answer does not say so", async () => {
  const clock = new VirtualClock({ startMs });
  const console = new Console({
    clock,
    telemetry: new TelemetryRecorder(),
    sources: consoleDoubles(),
  });
  const { RecentSpans } = await import("../../../mesh/runtime/recent_spans.ts");
  const { SeededRandom } = await import("../../../mesh/simulation/seeded_random.ts");
  const tracing = new RecentSpans({ clock, random: new SeededRandom(1) });
  const { post } = gatewayFixture({ clock, console, tracing });
  const flags: (string | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    for (let n = 0; n < 20; n++) {
      const response = await post("/v1/rank", { user: "ann", candidates: [{ id: "a" }] });
      flags.push(response.headers.get("traceparent")?.slice(-2));
      await response.body?.cancel();
    }
    await clock.advance(1_000);
  }
  assert.deepEqual(new Set(flags), new Set(["00"]));
  const followed = console.activity.read().rankings.filter(({ traceId }) => traceId !== undefined);
  assert.equal(followed.length, 3);
  assert.equal(tracing.find([followed[0].traceId ?? ""]).length, 1);
});
