/** Rankings that neither this gateway nor the server knows, and that other gateways remember. */
import assert from "node:assert/strict";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

const DEADLINE_MS = 1_000;
const click = { eventId: "e1", rankingId: "r", item: "a", action: "click" };

/** A gateway beside others that remember all rankings, and a server that takes `loadMs`. */
function beside(loadMs = 0) {
  const clock = new VirtualClock({ startMs });
  const gateway = gatewayFixture({
    clock,
    options: { deadlineMs: DEADLINE_MS },
    sharedRankings: {
      append: () => Promise.reject(new Error("none is made")),
      remember: () => Promise.resolve(),
      load: () => new Promise((resolve) => void clock.schedule(loadMs, () => resolve(new Map()))),
      check: () => "unknown-ranking",
      appendOnce: () => Promise.reject(new Error("the server knows none")),
      unshared: 0,
      givenUp: 0,
      close() {},
    },
    otherGateways: {
      findRankings: (events) => Promise.resolve(events.map(() => [])),
      checkRankings: (events) =>
        Promise.resolve(events.map(() => ({ lookup: "shown", isUnlogged: true }))),
    },
  });
  return {
    async post(path: string, body: object) {
      const answer = gateway.post(path, body);
      await clock.advance(loadMs);
      return await json(answer);
    },
  };
}

Deno.test("a ranking for which no time is left is not called unknown", async () => {
  const { post } = beside(DEADLINE_MS);
  for (
    const [path, body] of [
      ["/v1/events", click],
      ["/v1/shown", { rankingId: "r", items: ["a"] }],
    ] as const
  ) {
    assert.equal((await post(path, body)).type, "/problems/deadline-exceeded", path);
  }
});

Deno.test("an event that comes again is told again that nothing is learned from it", async () => {
  const { post } = beside();
  const answers = [await post("/v1/events", click), await post("/v1/events", click)];
  assert.deepEqual(
    answers.map(({ events: [{ status, unlogged }] }) => [status, unlogged]),
    [["accepted", true], ["duplicate", true]],
  );
});
