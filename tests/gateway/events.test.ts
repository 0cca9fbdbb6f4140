/**
 * `POST /v1/events` from the client's side: durability, duplicates, and the result of each event.
 */
import assert from "node:assert/strict";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { eventsAnswerSchema } from "../../gateway/schemas/events.ts";
import { eventPartition } from "../../records/event_record.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

const click = { eventId: "e1", rankingId: "r", item: "a", action: "click" };

/** A log whose appends wait until the test lets them succeed or fail. */
function heldLog() {
  const log = new MemoryEventLog({ partitions: 1 });
  const held: { succeed(): void; fail(error: Error): void }[] = [];
  const eventLog = Object.assign(Object.create(log) as EventLog, {
    partitions: 1,
    append: (partition: number, records: readonly Uint8Array[]) =>
      new Promise<number>((resolve, reject) =>
        held.push({
          succeed: () => void log.append(partition, records).then(resolve),
          fail: reject,
        })
      ),
    read: log.read.bind(log),
    endOffset: log.endOffset.bind(log),
  });
  return { eventLog, held };
}

Deno.test("an accepted event is in the log when the answer comes", async () => {
  const { post, rank, logged } = gatewayFixture();
  await rank("r", ["a", "b"]);
  const response = await post("/v1/events", { ...click, value: 4.5, timestamp: startMs - 1000 });
  assert.equal(response.status, 200);
  const answer = await json(response);
  assert.ok(eventsAnswerSchema.safeParse(answer).success);
  assert.deepEqual(answer, {
    accepted: 1,
    duplicates: 0,
    rejected: 0,
    events: [{ eventId: "e1", status: "accepted", acceptedAtMs: startMs }],
  });
  assert.deepEqual(await logged(), [{
    kind: "action",
    ...click,
    value: 4.5,
    atMs: startMs - 1000,
    acceptedAtMs: startMs,
  }]);
});

Deno.test("an event is not answered before the log confirms it", async () => {
  const { eventLog, held } = heldLog();
  const { post, rank, clock } = gatewayFixture({ eventLog });
  await rank("r", ["a"]);
  let answered = false;
  const response = Promise.resolve(post("/v1/events", click)).finally(() => answered = true);
  await clock.advance(10);
  assert.equal(answered, false);
  held[0].succeed();
  assert.equal((await response).status, 200);
});

Deno.test("the same event again is a duplicate with the first acceptance's time", async () => {
  const { post, rank, logged, clock } = gatewayFixture();
  await rank("r", ["a"]);
  await post("/v1/events", click);
  await clock.advance(100);
  assert.deepEqual((await json(post("/v1/events", click))).events, [
    { eventId: "e1", status: "duplicate", acceptedAtMs: startMs },
  ]);
  assert.equal((await logged()).length, 1);
});

Deno.test("concurrent duplicates wait for the first attempt and are written once", async () => {
  const { eventLog, held } = heldLog();
  const { post, rank, clock, logged } = gatewayFixture({ eventLog });
  await rank("r", ["a"]);
  const responses = Array.from({ length: 5 }, () => post("/v1/events", click));
  await clock.advance(10);
  assert.equal(held.length, 1);
  held[0].succeed();
  const answers = await Promise.all(responses.map(json));
  assert.deepEqual(answers.map(({ events }) => events[0].status), [
    "accepted",
    ...Array(4).fill("duplicate"),
  ]);
  assert.equal(new Set(answers.map(({ events }) => events[0].acceptedAtMs)).size, 1);
  assert.equal((await logged()).length, 1);
});

Deno.test("when the first attempt fails, its concurrent duplicates fail too and a retry is accepted", async () => {
  const { eventLog, held } = heldLog();
  const { post, rank, clock } = gatewayFixture({ eventLog });
  await rank("r", ["a"]);
  const responses = [post("/v1/events", click), post("/v1/events", click)];
  await clock.advance(10);
  held[0].fail(new Error("disk on fire"));
  for (const response of responses) assert.equal((await response).status, 500);
  const retry = Promise.resolve(post("/v1/events", click));
  await clock.advance(10);
  held[1].succeed();
  assert.equal((await json(retry)).events[0].status, "accepted");
});

Deno.test("acceptance times strictly ascend, also when the clock stands still or steps back", async () => {
  const { post, rank, clock } = gatewayFixture();
  await rank("r", ["a"]);
  const batch = Array.from({ length: 50 }, (_, i) => ({ ...click, eventId: `e${i}` }));
  const first = await json(post("/v1/events", batch));
  clock.stepWall(-5000);
  const later = await json(post("/v1/events", { ...click, eventId: "later" }));
  const times = [...first.events, ...later.events].map(({ acceptedAtMs }) => acceptedAtMs);
  assert.ok(times.every((time, i) => i === 0 || time > times[i - 1]), String(times));
});

Deno.test("a batch has a result for each event and accepts the valid ones", async () => {
  const { post, rank, logged, telemetry } = gatewayFixture();
  await rank("r", ["a", "b"]);
  const response = await post("/v1/events", [
    click,
    { ...click, eventId: "e2", item: "z" },
    click,
    { ...click, eventId: "e3", rankingId: "never" },
    { ...click, eventId: "e4", value: "five" },
    { ...click, eventId: "e5", item: "b" },
    null,
  ]);
  assert.equal(response.status, 207);
  const answer = await json(response);
  assert.ok(eventsAnswerSchema.safeParse(answer).success);
  assert.deepEqual([answer.accepted, answer.duplicates, answer.rejected], [2, 1, 4]);
  assert.deepEqual(
    answer.events.map((event: { status: string; eventId?: string; problem?: { type: string } }) => [
      event.eventId,
      event.problem?.type ?? event.status,
    ]),
    [
      ["e1", "accepted"],
      ["e2", "/problems/item-not-shown"],
      ["e1", "duplicate"],
      ["e3", "/problems/unknown-ranking"],
      ["e4", "/problems/invalid-request"],
      ["e5", "accepted"],
      [undefined, "/problems/invalid-request"],
    ],
  );
  assert.deepEqual(answer.events[4].problem.errors, [
    { pointer: "#/4/value", detail: 'is the text "five"; send a finite number' },
  ]);
  assert.deepEqual(new Set((await logged()).map(({ eventId }) => eventId)), new Set(["e1", "e5"]));
  assert.equal(telemetry.value("cairn_events_total", { status: "rejected" }), 4);
});

Deno.test("a batch of which nothing is accepted is a problem that lists every event", async () => {
  const { post, logged } = gatewayFixture();
  const response = await post("/v1/events", [click, { ...click, eventId: "e2" }]);
  assert.equal(response.status, 422);
  const body = await json(response);
  assert.equal(body.type, "/problems/no-event-accepted");
  assert.equal(body.rejected, 2);
  assert.deepEqual(body.events.map(({ eventId }: { eventId: string }) => eventId), ["e1", "e2"]);
  assert.deepEqual(await logged(), []);
});

Deno.test("a full partition refuses with 503, and events of another partition are still accepted", async () => {
  const full = new MemoryEventLog({ name: "events", partitions: 2 });
  const eventLog = Object.assign(Object.create(full) as EventLog, {
    partitions: 2,
    append: (partition: number, records: readonly Uint8Array[]) =>
      partition === 1
        ? new MemoryEventLog({ name: "events", partitions: 2, bytesMax: 1 }).append(1, records)
        : full.append(partition, records),
    read: full.read.bind(full),
  });
  const { post, rank, logged, telemetry } = gatewayFixture({ eventLog });
  const ids = Array.from({ length: 8 }, (_, i) => `r${i}`);
  for (const id of ids) await rank(id, ["a"]);
  const open = ids.filter((id) => eventPartition(id, 2) === 0);
  const closed = ids.filter((id) => eventPartition(id, 2) === 1);
  assert.ok(open.length > 0 && closed.length > 0);

  const refused = await post("/v1/events", { ...click, rankingId: closed[0] });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "5");
  assert.equal((await json(refused)).type, "/problems/log-full");

  const mixed = await post("/v1/events", [
    { ...click, eventId: "x", rankingId: open[0] },
    { ...click, eventId: "y", rankingId: closed[0] },
  ]);
  assert.equal(mixed.status, 207);
  const answer = await json(mixed);
  assert.equal(answer.events[0].status, "accepted");
  assert.equal(answer.events[1].problem.type, "/problems/log-full");
  assert.equal(telemetry.lines.length, 2, "both failures are logged");
  assert.deepEqual((await logged()).map(({ eventId }) => eventId), ["x"]);
});

Deno.test("a log that does not confirm in time answers 504, and the retry finds the event accepted", async () => {
  const { eventLog, held } = heldLog();
  const { post, rank, clock } = gatewayFixture({ eventLog, options: { deadlineMs: 100 } });
  await rank("r", ["a"]);
  const late = await clock.settle(Promise.resolve(post("/v1/events", click)));
  assert.equal(late.status, 504);
  assert.match((await json(late)).detail, /unknown.*same eventId/);
  held[0].succeed();
  await clock.advance(1);
  assert.equal((await json(post("/v1/events", click))).events[0].status, "duplicate");
});

Deno.test("with unknownRankings: accept, the joiner decides", async () => {
  const { post, logged } = gatewayFixture({ options: { unknownRankings: "accept" } });
  assert.equal((await post("/v1/events", click)).status, 200);
  assert.equal((await logged()).length, 1);
});

Deno.test("events are taken while the ranker is not ready", async () => {
  const { post, rank, ranker } = gatewayFixture();
  await rank("r", ["a"]);
  ranker.status = { ready: false, modelVersion: 0, learnedThroughMs: 0, shardsAway: 0 };
  assert.equal((await post("/v1/events", click)).status, 200);
});

Deno.test("the memory of events and rankings is bounded: the oldest are forgotten", async () => {
  const { post, rank, memory } = gatewayFixture({
    options: { eventsRememberedMax: 3, rankingsRememberedMax: 2 },
  });
  for (const id of ["r1", "r2", "r3"]) await rank(id, ["a"]);
  assert.equal(memory.rankings.size, 2);
  const forgotten = await post("/v1/events", { ...click, rankingId: "r1" });
  assert.equal((await json(forgotten)).type, "/problems/unknown-ranking");
  for (let i = 0; i < 5; i++) {
    await post("/v1/events", { ...click, eventId: `e${i}`, rankingId: "r3" });
  }
  assert.equal(memory.events.size, 3);
});

Deno.test("an action from which nothing will be learned is accepted with a note", async () => {
  const { app, post, rank } = gatewayFixture({
    labels: {
      decides: (action, value) => action === "rating" && value !== undefined,
      learnedWithinMs: () => 1_800_000,
      isPositive: (_, value) => value !== undefined && value >= 8,
      isKept: (action) => action === "click",
      actions: ["rating"],
      example: { action: "rating", value: 8 },
    },
  });
  await rank("r", ["a"]);
  const answer = await json(post("/v1/events", [
    { ...click, eventId: "e1", action: "rating", value: 9 },
    { ...click, eventId: "e2", action: "rating" },
    { ...click, eventId: "e3", action: "ratign", value: 9 },
    { ...click, eventId: "e4", action: "click" },
  ]));
  assert.ok(eventsAnswerSchema.safeParse(answer).success);
  assert.deepEqual([answer.accepted, answer.rejected], [4, 0]);
  assert.deepEqual(answer.events.map(({ note }: { note?: string }) => note), [
    undefined,
    'Nothing will be learned from it: no label rule matches "rating" without a value.',
    'Nothing will be learned from it: no label rule reads the action "ratign"; they read rating.',
    "Kept features count it, and the model does not learn its label: no label rule reads the " +
    'action "click"; they read rating.',
  ]);
  const { paths } = await json(app.request("/openapi.json"));
  const { example } = paths["/v1/events"].post.requestBody.content["application/json"];
  assert.deepEqual([example.action, example.value], ["rating", 8]);
});

Deno.test("a value outside the declared bounds of its action is refused, naming the field", async () => {
  const { post, rank, logged } = gatewayFixture({
    options: { valueBounds: { watch: { min: 0, max: 600 }, rating: { min: 1, max: Infinity } } },
  });
  await rank("r", ["a", "b"]);
  const answer = await json(post("/v1/events", [
    { ...click, eventId: "e1", action: "watch", value: 601 },
    { ...click, eventId: "e2", action: "rating", value: 0.5 },
    { ...click, eventId: "e3", action: "watch", value: 600 },
    { ...click, eventId: "e4", action: "watch" },
    { ...click, eventId: "e5", action: "constructor", value: 1e9 },
  ]));
  assert.deepEqual([answer.accepted, answer.rejected], [3, 2]);
  const [watch, rating] = answer.events;
  assert.equal(watch.problem.type, "/problems/invalid-request");
  assert.deepEqual(watch.problem.errors, [{
    pointer: "#/0/value",
    detail:
      'is 601, which is outside the bounds of the action "watch"; send a number of 0 or more and of at most 600',
  }]);
  assert.match(rating.problem.errors[0].detail, /send a number of 1 or more$/);
  assert.equal((await logged()).length, 3);
});

Deno.test("another event under a known eventId is a conflict, also while the first is being written", async () => {
  const { eventLog, held } = heldLog();
  const { post, rank, clock, logged } = gatewayFixture({ eventLog });
  await rank("r", ["a", "b"]);
  await rank("other", ["a"]);
  const others = [
    { ...click, item: "b" },
    { ...click, action: "purchase" },
    { ...click, value: 1 },
    { ...click, rankingId: "other" },
  ];
  const first = Promise.resolve(post("/v1/events", click));
  await clock.advance(10);
  const conflicts = async () => {
    for (const other of others) {
      const response = await post("/v1/events", other);
      assert.equal(response.status, 409);
      const problem = await json(response);
      assert.equal(problem.type, "/problems/event-conflict");
      assert.equal(problem.errors[0].pointer, "#/eventId");
    }
  };
  await conflicts();
  held[0].succeed();
  assert.equal((await first).status, 200);
  await conflicts();
  assert.equal((await json(post("/v1/events", click))).duplicates, 1);
  const list = await json(post("/v1/events", [click, others[0]]));
  assert.equal(list.events[1].problem.type, "/problems/event-conflict");
  assert.equal((await logged()).length, 1);
});

Deno.test("an event that comes too late to be learned from is accepted with a note", async () => {
  const { post, rank } = gatewayFixture({
    labels: {
      decides: () => true,
      isPositive: () => true,
      learnedWithinMs: (action) => action === "click" ? 1_800_000 : 7 * 86_400_000,
      actions: ["click", "purchase"],
      example: { action: "click" },
    },
  });
  await rank("r", ["a"]);
  const hour = 3_600_000;
  const answer = await json(post("/v1/events", [
    { ...click, eventId: "e1", timestamp: startMs - 1 },
    { ...click, eventId: "e2", action: "purchase", timestamp: startMs + 1_000 },
  ]));
  assert.deepEqual(answer.events.map(({ note }: { note?: string }) => note), [
    undefined,
    undefined,
  ]);
  const { post: postLater, clock, rank: rankLater } = gatewayFixture({
    labels: {
      decides: () => true,
      isPositive: () => true,
      learnedWithinMs: (action) => action === "click" ? hour / 2 : 7 * 24 * hour,
      actions: ["click", "purchase"],
      example: { action: "click" },
    },
  });
  await rankLater("r", ["a"]);
  await clock.advance(3 * hour);
  const late = await json(postLater("/v1/events", [
    { ...click, eventId: "e1" },
    { ...click, eventId: "e2", action: "purchase" },
  ]));
  assert.deepEqual(late.events.map(({ note }: { note?: string }) => note), [
    'Nothing will be learned from it: it came 3 hours after its ranking, and "click" is learned ' +
    "from within 30 minutes (joiner.window, joiner.lateLabels).",
    undefined,
  ]);
});
