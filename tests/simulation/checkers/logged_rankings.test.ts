import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { loggedRankings } from "../../../simulation/checkers/logged_rankings.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";
import { present } from "../../../structures/invariant.ts";
import { action, impression } from "../../actors/joiner/records.ts";

const ranking = encodeEvent(impression({ ranking: "r", items: ["a"], atMs: 0, acceptedAtMs: 0 }));

/** A log with an event on a ranking, whose answer is `result`; the promises broken at the end. */
function brokenBy(
  records: readonly Uint8Array[],
  { result = {}, told = [{}], lostFrom = Infinity, again = [] as readonly Uint8Array[] } = {},
) {
  const failures: string[] = [];
  const configuration = parseConfiguration(shopConfiguration, "shop.yaml");
  const checker = loggedRankings(() => configuration)({
    nowMs: () => 0,
    fail: (message) => void failures.push(message),
  });
  checker.durable?.("events", 0, records, 0);
  for (const more of told) {
    checker.replied?.({
      client: "visitor",
      method: "POST",
      path: "/v1/events",
      requestBody: [{ eventId, rankingId: "r", item: "a", action: "click" }],
      status: 200,
      body: { events: [{ eventId, status: "accepted", acceptedAtMs: 0, ...result, ...more }] },
    });
  }
  if (lostFrom < records.length) checker.tailLost?.("events", 0, lostFrom);
  checker.durable?.("events", 0, again, lostFrom);
  void checker.atEnd?.();
  return failures;
}

const acted = action({ ranking: "r", item: "a", action: "click", atMs: 0, acceptedAtMs: 0 });
const { eventId } = acted;
const event = encodeEvent(acted);

Deno.test("an event that is accepted as one to learn from has its ranking in the log", () => {
  assert.deepEqual(brokenBy([ranking, event]), []);
  assert.match(present(brokenBy([event])[0], "a failure"), /does not have its ranking r$/);
  for (const status of ["accepted", "duplicate"]) {
    assert.deepEqual(brokenBy([event], { result: { status, unlogged: true } }), []);
    assert.equal(brokenBy([event], { result: { status } }).length, 1);
  }
});

Deno.test("an event that is accepted as one to learn from lies behind its ranking", () => {
  const early = [event, ranking];
  assert.match(present(brokenBy(early)[0], "a failure"), /got its ranking later: r$/);
  assert.deepEqual(brokenBy(early, { result: { unlogged: true } }), []);
  // It was accepted as unlogged, and the ranking was logged since.
  assert.deepEqual(brokenBy(early, { result: { status: "duplicate" } }), []);
});

Deno.test("an event whose id was forgotten is judged by the record that its answer names", () => {
  const again = encodeEvent({ ...acted, acceptedAtMs: 9 });
  const records = [event, ranking, again];
  assert.deepEqual(brokenBy(records, { result: { acceptedAtMs: 9 } }), []);
  assert.match(present(brokenBy(records)[0], "a failure"), /got its ranking later: r$/);
});

Deno.test("a client that was told of a lost ranking once need not be told again", () => {
  const [unlogged, duplicate] = [{ unlogged: true }, { status: "duplicate" }];
  assert.deepEqual(brokenBy([event], { told: [unlogged, duplicate] }), []);
});

Deno.test("a ranking that is made of an event comes with the event", () => {
  const rankingId = "unranked-1";
  const made = encodeEvent(
    impression({ ranking: rankingId, items: ["a"], atMs: 0, acceptedAtMs: 0 }),
  );
  const ofIt = encodeEvent({ ...acted, rankingId });
  const without = ["the event log has unranked-1 without the event that it is made of"];
  assert.deepEqual(brokenBy([made, ofIt], { told: [] }), []);
  assert.deepEqual(brokenBy([made, event, ofIt], { told: [] }), without);
  assert.deepEqual(brokenBy([made], { told: [] }), without);
  assert.deepEqual(brokenBy([made], { told: [], lostFrom: 0 }), []);
});

Deno.test("the log has a ranking once, unless a fail-over has lost one of its records", () => {
  assert.match(present(brokenBy([ranking, event, ranking])[0], "a failure"), /ranking r twice$/);
  const again = [ranking, ranking, event];
  assert.deepEqual(brokenBy([ranking, event], { lostFrom: 0, again }), []);
});

Deno.test("a ranking that a fail-over loses must be logged again, unless its event is lost too", () => {
  assert.equal(brokenBy([event, ranking], { lostFrom: 1 }).length, 1);
  assert.deepEqual(brokenBy([ranking, event], { lostFrom: 0 }), []);
});
