/**
 * Rankings that the event log did not take: their answers say so, and so do events and reports on
 * them.
 */
import assert from "node:assert/strict";
import type { GatewayParts } from "../../gateway/parts.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { gatewayFixture, json } from "./fixture.ts";

/** A gateway whose ranker answers while the log's server is away, as long as `isAway`. */
function withAbsentLog({ purchase = false } = {}) {
  const gateway = gatewayFixture(purchase ? { labels } : {});
  const state = { isAway: true };
  const { ranker } = gateway;
  ranker.script = (rank) => ({
    ...ranker.inOrder(rank),
    ...(state.isAway && { unlogged: true as const }),
  });
  return { ...gateway, state };
}

/** A purchase is a positive, and a return a negative. */
const labels: NonNullable<GatewayParts["labels"]> = {
  decides: () => true,
  learnedWithinMs: () => 90_000,
  isPositive: (action) => action === "purchase",
  actions: ["purchase", "return"],
  example: { action: "purchase" },
};

const click = { rankingId: "r", item: "a", action: "click" };

Deno.test("a ranking that the log did not take says so, and so does each event on it", async () => {
  const { post, state, telemetry } = withAbsentLog();
  const rank = (rankingId: string) =>
    json(post("/v1/rank", { user: "ann", rankingId, candidates: [{ id: "a" }, { id: "b" }] }));
  const ranked = await rank("r");
  assert.equal(ranked.unlogged, true);
  state.isAway = false;
  const logged = await rank("s");
  assert.ok(!("unlogged" in logged));
  const answer = await json(post("/v1/events", [
    { ...click, eventId: "e-1" },
    { ...click, eventId: "e-2", rankingId: "s" },
  ]));
  assert.deepEqual([answer.accepted, answer.rejected], [2, 0]);
  assert.equal(answer.events[0].unlogged, true);
  assert.match(answer.events[0].note, /^Nothing will be learned from it: the event log does not/);
  assert.ok(!("unlogged" in answer.events[1]) && !("note" in answer.events[1]));
  assert.equal(telemetry.value("cairn_events_unlogged_total"), 1);
});

Deno.test("an event that is sent again is told again that nothing is learned from it", async () => {
  const { post, rank, telemetry } = withAbsentLog();
  await rank("r", ["a", "b"]);
  const send = async () => (await json(post("/v1/events", { ...click, eventId: "e-1" }))).events[0];
  const taken = await send();
  assert.equal(taken.unlogged, true);
  assert.deepEqual(await send(), { ...taken, status: "duplicate" });
  assert.equal(telemetry.value("cairn_events_unlogged_total"), 1);
});

Deno.test("an event of a user goes to an unlogged ranking, and says so", async () => {
  const { post, rank, ranker } = withAbsentLog();
  await rank("r", ["a", "b"]);
  const { user } = ranker.asked[0];
  const event = { eventId: "e-1", user, item: "a", action: "click" };
  const { events: [taken] } = await json(post("/v1/events", event));
  assert.deepEqual([taken.rankingId, taken.unlogged], ["r", true]);
});

Deno.test("an event of a user passes over a ranking that the log has not taken for ten seconds", async () => {
  const fixture = withAbsentLog({ purchase: true });
  const { post, rank, state, clock, eventLog } = fixture;
  const buy = async (eventId: string) => {
    const event = { eventId, user: "u", item: "a", action: "purchase" };
    return (await json(post("/v1/events", event))).events[0];
  };
  state.isAway = false;
  await rank("logged", ["a"]);
  state.isAway = true;
  await rank("unlogged", ["a", "b"]);
  await clock.advance(9_000);
  assert.equal((await buy("e-1")).rankingId, "unlogged", "the log may still take it");
  await clock.advance(2_000);
  assert.equal((await buy("e-2")).rankingId, "logged", "an older one can be learned from");
  await rank("alone", ["c"]);
  await clock.advance(11_000);
  const event = { eventId: "e-3", user: "u", item: "c", action: "purchase" };
  const { events: [made] } = await json(post("/v1/events", event));
  assert.deepEqual([made.rankingId, made.unlogged], [undefined, undefined]);
  assert.match(made.note, /^The event log does not have the ranking that showed item "c" to user/);
  const kinds = [];
  for (let partition = 0; partition < eventLog.partitions; partition++) {
    const records = await eventLog.read(partition, 0, 100);
    kinds.push(...records.map(({ bytes }) => decodeEvent(bytes).kind));
  }
  assert.equal(kinds.filter((kind) => kind === "impression").length, 1, "that of the made one");
});

Deno.test("an event that arrives late is not left on an unlogged ranking by its early timestamp", async () => {
  const { post, rank, clock } = withAbsentLog({ purchase: true });
  await rank("r", ["a"]);
  const timestamp = clock.nowMs() + 3_000;
  await clock.advance(30_000);
  const event = { eventId: "e-1", user: "u", item: "a", action: "purchase", timestamp };
  const { events: [taken] } = await json(post("/v1/events", event));
  assert.deepEqual([taken.rankingId, taken.unlogged], [undefined, undefined]);
  assert.match(taken.note, /^The event log does not have the ranking/);
});

Deno.test("an event that no ranking may be made of goes to an unlogged ranking, and says so", async () => {
  const { post, rank, clock } = withAbsentLog({ purchase: true });
  await rank("r", ["a"]);
  await clock.advance(11_000);
  const event = { eventId: "e-1", user: "u", item: "a", action: "return" };
  const { events: [taken] } = await json(post("/v1/events", event));
  assert.deepEqual([taken.rankingId, taken.unlogged], ["r", true]);
});

Deno.test("a report on an unlogged ranking is taken with a note", async () => {
  const { post, rank } = withAbsentLog();
  await rank("r", ["a", "b"]);
  const { items, note } = await json(post("/v1/shown", { rankingId: "r", items: ["a"] }));
  assert.equal(items, 1);
  assert.match(note, /^It changes nothing: the event log does not have its ranking/);
});

Deno.test("an item that was not shown is refused for an unlogged ranking too", async () => {
  const { post, rank } = withAbsentLog();
  await rank("r", ["a"]);
  const refused = await json(post("/v1/events", { ...click, eventId: "e-1", item: "b" }));
  assert.equal(refused.type, "/problems/item-not-shown");
});
