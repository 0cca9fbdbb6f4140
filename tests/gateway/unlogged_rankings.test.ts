/**
 * Rankings that the event log did not take: their answers say so, and so do events and reports on
 * them.
 */
import assert from "node:assert/strict";
import { gatewayFixture, json } from "./fixture.ts";

/** A gateway whose ranker answers while the log's server is away, as long as `isAway`. */
function withAbsentLog() {
  const gateway = gatewayFixture();
  const state = { isAway: true };
  const { ranker } = gateway;
  ranker.script = (rank) => ({
    ...ranker.inOrder(rank),
    ...(state.isAway && { unlogged: true as const }),
  });
  return { ...gateway, state };
}

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

Deno.test("an event of a user goes to an unlogged ranking, and says so", async () => {
  const { post, rank, ranker } = withAbsentLog();
  await rank("r", ["a", "b"]);
  const { user } = ranker.asked[0];
  const event = { eventId: "e-1", user, item: "a", action: "click" };
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
