import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { attributedEvents } from "../../../simulation/checkers/attributed_events.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";
import { action, impression } from "../../actors/joiner/records.ts";

const answer = { client: "visitor", method: "POST", status: 200 };
/** Time of the event, ms. */
const NOW_MS = 10_000;

/** Rankings `old` and `new` that showed item a, 2 s and 1 s before an event on it. */
function brokenBy(
  rankingId: string,
  { user = "u", atMs = NOW_MS, unlogged = false, fault = undefined as Fault | undefined } = {},
): string[] {
  const failures: string[] = [];
  const checker = attributedEvents(() => parseConfiguration(shopConfiguration, "shop.yaml"))({
    nowMs: () => NOW_MS,
    fail: (message) => void failures.push(message),
  });
  const rankings = [["old", 8_000], ["new", 9_000]] as const;
  if (fault !== undefined) checker.fault?.(fault);
  for (const [ranking, shownAtMs] of rankings) {
    const record = impression({ ranking, items: ["a"], atMs: shownAtMs });
    checker.durable?.("events", 0, [encodeEvent({ ...record, user: "u" })], 0);
    const requestBody = { user: "u", candidates: [{ id: "a" }] };
    const body = { rankingId: ranking, unlogged: unlogged && ranking === "new" };
    checker.replied?.({ ...answer, path: "/v1/rank", requestBody, body });
  }
  if (rankingId === "unranked-made") {
    const made = impression({ ranking: rankingId, items: ["a", "b"], atMs });
    checker.durable?.("events", 0, [encodeEvent({ ...made, user })], 2);
  }
  const event = { ...action({ ranking: rankingId, item: "a", action: "click", atMs }), user };
  checker.durable?.("events", 0, [encodeEvent(event)], 2);
  const { eventId } = event;
  checker.replied?.({
    ...answer,
    path: "/v1/events",
    requestBody: [{ eventId, user, item: "a", action: "click" }],
    body: { events: [{ eventId, status: "accepted" }] },
  });
  return failures;
}

Deno.test("an event of a user goes to the newest ranking before it that showed the item", () => {
  assert.deepEqual(brokenBy("new"), []);
  assert.match(brokenBy("old")[0], /went to old, although new showed the item 1000 ms before it/);
  assert.equal(brokenBy("unranked-none").length, 2);
  assert.equal(brokenBy("unranked-made").length, 2);
  assert.deepEqual(brokenBy("old", { atMs: 8_500 }), [], "the newer one came after it");
  assert.deepEqual(brokenBy("unranked-none", { atMs: 60_000 }), [], "both are too old");
  assert.deepEqual(brokenBy("old", { unlogged: true }), [], "the log may lack the newer one");
});

Deno.test("an event of a user goes to no ranking of another one", () => {
  assert.match(brokenBy("new", { user: "other" })[0], /of other on a went to new of u/);
});

Deno.test("after a fault an event may miss the newest ranking", () => {
  const fault = { kind: "pauseHost", atMs: 0, host: "edge-1", forMs: 1_000 } as const;
  assert.deepEqual(brokenBy("old", { fault }), []);
  assert.equal(brokenBy("old", { user: "other", fault }).length, 1);
});
