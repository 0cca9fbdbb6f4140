/** Rankings that neither this gateway nor the server knows, and that other gateways remember. */
import assert from "node:assert/strict";
import type { RememberedRanking } from "../../gateway/parts.ts";
import { RankingsUnreadError } from "../../mesh/ports/shared_rankings.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { gatewayFixture, json, noSharedRankings, startMs } from "./fixture.ts";

const DEADLINE_MS = 1_000;
const click = { eventId: "e1", rankingId: "r", item: "a", action: "click" };
const bodies = [
  ["/v1/events", click],
  ["/v1/shown", { rankingId: "r", items: ["a"] }],
] as const;

interface Situation {
  /** Time that the server takes to read rankings, ms. */
  readonly loadMs?: number;
  /** Why it cannot read them. */
  readonly unread?: Error;
  /** The answer of the other gateways for each ranking. */
  readonly others?: RememberedRanking | RankingsUnreadError;
}

/** A gateway beside others that remember all rankings, and a server that knows none. */
function beside({ loadMs = 0, unread, others }: Situation = {}) {
  const clock = new VirtualClock({ startMs });
  const asked: string[] = [];
  const gateway = gatewayFixture({
    clock,
    options: { deadlineMs: DEADLINE_MS },
    sharedRankings: {
      ...noSharedRankings,
      load: async (ids) => {
        await new Promise((resolve) => void clock.schedule(loadMs, () => resolve(undefined)));
        return new Map(unread && ids.map((id) => [id, unread]));
      },
    },
    otherGateways: {
      findRankings: (events) => Promise.resolve(events.map(() => [])),
      checkRankings: (events) => {
        asked.push(...events.map(({ rankingId }) => rankingId));
        return Promise.resolve(events.map(() => others ?? { lookup: "shown", isUnlogged: true }));
      },
    },
  });
  return {
    asked,
    memory: gateway.memory,
    async post(path: string, body: object) {
      const answer = gateway.post(path, body);
      await clock.advance(loadMs);
      return await json(answer);
    },
  };
}

Deno.test("a ranking for which no time is left is not called unknown", async () => {
  const { post } = beside({ loadMs: DEADLINE_MS });
  for (const [path, body] of bodies) {
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

Deno.test("a ranking that a late gateway may remember is not called unknown", async () => {
  const others = new RankingsUnreadError("the rankings of other hosts", "", new Error("late"));
  const { post } = beside({ others });
  for (const [path, body] of bodies) {
    const { type, detail } = await post(path, body);
    assert.equal(type, "/problems/unavailable", path);
    assert.match(detail, /^Cannot read the rankings of other hosts: late/);
  }
});

Deno.test("other gateways are asked only where nothing else tells the ranking", async () => {
  const { asked, memory, post } = beside();
  memory.rankings.remember("own", [{ id: "a" }], startMs);
  await post(
    "/v1/events",
    ["own", "other"].map((rankingId, i) => ({
      ...click,
      eventId: `e${i}`,
      rankingId,
    })),
  );
  await post("/v1/shown", { rankingId: "own", items: ["a"] });
  assert.deepEqual(asked, ["other"]);
  memory.isComplete = false; // the log may have the ranking, and the joiner decides
  for (const [path, body] of bodies) await post(path, body);
  assert.deepEqual(asked, ["other"]);

  const unread = new RankingsUnreadError("the rankings", "", new Error("Redis is away"));
  const away = beside({ unread });
  for (const [path, body] of bodies) {
    assert.equal((await away.post(path, body)).type, "/problems/unavailable", path);
  }
  assert.deepEqual(away.asked, []);
});
