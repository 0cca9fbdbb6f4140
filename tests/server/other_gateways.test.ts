import assert from "node:assert/strict";
import type { CheckRankings, FindRankings } from "../../gateway/gateway_actor.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import type { AskOptions } from "../../mesh/runtime/actor.ts";
import { ActorFailedError, AskTimeoutError } from "../../mesh/runtime/errors.ts";
import { RankingsUnreadError } from "../../mesh/ports/shared_rankings.ts";
import type { Mesh } from "../../mesh/runtime/mesh.ts";
import { OtherGateways } from "../../server/other_gateways.ts";
import { spreadConfiguration } from "./spread_hosts.ts";

/** The gateways of `edge-2` and further hosts for `edge-1`; each answers by a function. */
function othersOf(
  ...gateways: readonly ((asked: FindRankings, options: AskOptions) => unknown)[]
) {
  const telemetry = new TelemetryRecorder();
  const mesh = {
    home: { telemetry },
    actorRef: (address: string) => ({
      ask: async (asked: FindRankings, options: AskOptions) =>
        await gateways[Number(address.slice("gateway/edge-".length)) - 2](asked, options),
    }),
  } as unknown as Mesh;
  const configuration = spreadConfiguration("all", gateways.length + 1);
  return { others: new OtherGateways(configuration, mesh, "edge-1"), telemetry };
}

const event = (i: number) => ({ user: `u${i}`, item: "a", atMs: 1_000 });

Deno.test("the rankings of other gateways are found for each event, newest first", async () => {
  const answer = (name: string, atMs: number) => ({ events }: FindRankings) =>
    events.map(({ user }) => [{ rankingId: `${name}-${user}`, atMs }]);
  const { others } = othersOf(answer("older", 1), answer("newer", 2));
  const found = await others.findRankings([event(0), event(1)], 60_000, 1_000);
  assert.deepEqual(
    found.map((rankings) => rankings.map(({ rankingId }) => rankingId)),
    [["newer-u0", "older-u0"], ["newer-u1", "older-u1"]],
  );
});

Deno.test("a gateway is asked for at most a hundred events at a time", async () => {
  const counts: number[] = [];
  const { others } = othersOf(({ events, withinMs }) => {
    assert.equal(withinMs, 60_000);
    counts.push(events.length);
    return events.map(({ user, atMs }) => [{ rankingId: user, atMs }]);
  });
  const found = await others.findRankings(
    Array.from({ length: 250 }, (_, i) => event(i)),
    60_000,
    1_000,
  );
  assert.deepEqual(counts, [100, 100, 50]);
  assert.deepEqual(found.map(([{ rankingId }]) => rankingId), found.map((_, i) => `u${i}`));
});

Deno.test("gateways that do not answer are left out and counted", async () => {
  const throws = (error: Error) => () => {
    throw error;
  };
  const { others, telemetry } = othersOf(
    throws(new AskTimeoutError("gateway/edge-2", { budgetMs: 200, node: "edge-2", chain: [] })),
    throws(new ActorFailedError("gateway/edge-3", "no link")),
    ({ events }) => events.map(() => [{ rankingId: "r", atMs: 1 }]),
  );
  assert.deepEqual(await others.findRankings([event(0)], 60_000, 1_000), [[{
    rankingId: "r",
    atMs: 1,
  }]]);
  const outcomes = ["answered", "late", "failed"];
  assert.deepEqual(
    outcomes.map((outcome) => telemetry.value("cairn_gateway_finds_total", { outcome })),
    [1, 1, 1],
  );
});

Deno.test("other gateways have 200 ms, and at most half of the time until the events' answer", async () => {
  const budgets: unknown[] = [];
  const { others } = othersOf(({ events }, { budgetMs }) => {
    budgets.push(budgetMs);
    return events.map(() => []);
  });
  for (const leftMs of [10_000, 400, 90]) await others.findRankings([event(0)], 60_000, leftMs);
  assert.deepEqual(budgets, [200, 200, 45]);
});

Deno.test("a ranking of an event is as a gateway says that remembers it", async () => {
  const remembers = (...known: string[]) => (asked: unknown) =>
    (asked as CheckRankings).events.map(({ rankingId }) => ({
      lookup: known.includes(rankingId) ? "shown" : "unknown-ranking",
      isUnlogged: known.length === 1,
    }));
  const { others } = othersOf(
    remembers("r-1"),
    () => {
      throw new ActorFailedError("gateway/edge-3", "no link");
    },
    remembers("r-1", "r-150"),
  );
  const events = Array.from({ length: 250 }, (_, i) => ({ rankingId: `r-${i}`, item: "a" }));
  const checked = await others.checkRankings(events, 1_000);
  const shown = events.map(({ rankingId }, i) => ({ rankingId, ...checked[i] }))
    .filter((each) => "lookup" in each && each.lookup === "shown");
  assert.deepEqual(shown, [
    { rankingId: "r-1", lookup: "shown", isUnlogged: true },
    { rankingId: "r-150", lookup: "shown", isUnlogged: false },
  ]);
  const { others: late } = othersOf(
    () => {
      throw new AskTimeoutError("gateway/edge-2", { budgetMs: 200, node: "edge-2", chain: [] });
    },
    remembers("r-1"),
  );
  const [unread, known] = await late.checkRankings(events.slice(0, 2), 1_000);
  assert.ok(unread instanceof RankingsUnreadError, "the late one may remember it");
  assert.match(unread.message, /^Cannot read the rankings of other hosts: .*gateway\/edge-2/);
  assert.deepEqual(known, { lookup: "shown", isUnlogged: true });
  const { others: none } = othersOf();
  assert.deepEqual(await none.checkRankings(events.slice(0, 1), 1_000), [
    { lookup: "unknown-ranking", isUnlogged: false },
  ]);
});
