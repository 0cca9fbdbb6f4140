/**
 * `POST /v1/shown` from the client's side: durability, repeated and late reports, wrong items.
 */
import assert from "node:assert/strict";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

const reported = { rankingId: "r", items: ["b", "a"] };

Deno.test("a report is in the log, in the order shown, when the answer comes", async () => {
  const { post, rank, logged, telemetry } = gatewayFixture();
  await rank("r", ["a", "b", "c"]);
  const answer = await json(post("/v1/shown", { ...reported, timestamp: startMs - 1 }));
  assert.deepEqual(answer, { rankingId: "r", items: 2 });
  assert.deepEqual(await logged(), [{
    kind: "shown",
    ...reported,
    atMs: startMs - 1,
    acceptedAtMs: startMs,
  }]);
  assert.equal(telemetry.value("cairn_shown_reports_total"), 1);
});

Deno.test("an item that a report has twice is logged once", async () => {
  const { post, rank, logged } = gatewayFixture();
  await rank("r", ["a", "b"]);
  const answer = await json(post("/v1/shown", { rankingId: "r", items: ["a", "b", "a"] }));
  assert.equal(answer.items, 2);
  const [record] = await logged() as unknown as [{ readonly items: string[] }];
  assert.deepEqual(record.items, ["a", "b"]);
});

Deno.test("a repeated report is answered as the first one", async () => {
  const { post, rank } = gatewayFixture();
  await rank("r", ["a", "b"]);
  const first = await json(post("/v1/shown", reported));
  assert.deepEqual(await json(post("/v1/shown", reported)), first);
});

Deno.test("a report takes the items of the caller's own order, cut off by the limit or not", async () => {
  const { post } = gatewayFixture();
  const candidates = ["a", "b", "c"].map((id) => ({ id }));
  await post("/v1/rank", { user: "u", rankingId: "r", candidates, limit: 1, shown: ["c", "a"] });
  assert.equal((await post("/v1/shown", { rankingId: "r", items: ["a"] })).status, 200);
  const notShown = await json(post("/v1/shown", { rankingId: "r", items: ["b"] }));
  assert.equal(notShown.type, "/problems/item-not-shown");
});

Deno.test("a ranking that is not learned from takes no report", async () => {
  const { post } = gatewayFixture();
  const candidates = [{ id: "a" }];
  await post("/v1/rank", { user: "u", rankingId: "r", candidates, learn: false });
  const answer = await json(post("/v1/shown", { rankingId: "r", items: ["a"] }));
  assert.equal(answer.type, "/problems/unknown-ranking");
  assert.match(answer.errors[0].detail, /not made with learn: false/);
});

Deno.test("each item that the ranking does not have is named", async () => {
  const { post, rank, logged } = gatewayFixture();
  await rank("r", ["a", "b"]);
  const answer = await json(post("/v1/shown", { rankingId: "r", items: ["y", "a", "z"] }));
  assert.equal(answer.status, 422);
  assert.deepEqual(
    answer.errors.map(({ pointer }: { readonly pointer: string }) => pointer),
    ["#/items/0", "#/items/2"],
  );
  assert.deepEqual(await logged(), []);
});

Deno.test("a late report is logged, and its answer says that it changes nothing", async () => {
  const { post, rank, clock } = gatewayFixture();
  await rank("r", ["a", "b"]);
  await clock.advance(29_999);
  assert.equal((await json(post("/v1/shown", reported))).note, undefined);
  await clock.advance(60_001);
  const { note } = await json(post("/v1/shown", reported));
  assert.match(note, /changes nothing: it came 90 seconds after its ranking.*30 seconds/);
});

Deno.test("while rankings are read back a report on an unknown one is left to the joiner", async () => {
  const { post, memory, logged } = gatewayFixture();
  memory.isComplete = false;
  assert.equal((await post("/v1/shown", reported)).status, 200);
  assert.equal((await logged()).length, 1);
});

Deno.test("with unknownRankings: accept every report is left to the joiner", async () => {
  const { post, logged } = gatewayFixture({ options: { unknownRankings: "accept" } });
  assert.equal((await post("/v1/shown", reported)).status, 200);
  assert.equal((await logged()).length, 1);
});

Deno.test("a report that the log does not confirm in time may be sent again", async () => {
  const log = new MemoryEventLog({ partitions: 1 });
  const eventLog = Object.assign(Object.create(log) as EventLog, {
    partitions: 1,
    append: () => new Promise<number>(() => {}),
  });
  const { post, rank, clock } = gatewayFixture({ eventLog });
  await rank("r", ["a", "b"]);
  const answer = post("/v1/shown", reported);
  await clock.advance(1_000);
  const problem = await json(answer);
  assert.equal(problem.type, "/problems/deadline-exceeded");
  assert.match(problem.detail, /counts once/);
});

Deno.test("a ranking may await reports, in rank and in recommend", async () => {
  const { post, ranker } = gatewayFixture();
  await post("/v1/rank", { user: "u", candidates: [{ id: "a" }], awaitShown: true });
  await post("/v1/recommend", { user: "u", awaitShown: true });
  await post("/v1/similar", { item: "a", awaitShown: true });
  assert.deepEqual(
    [...ranker.asked, ...ranker.recommended].map(({ awaitShown }) => awaitShown),
    [true, true, true],
  );
});
