import assert from "node:assert/strict";
import { UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import { Activity } from "../../gateway/console/activity.ts";
import {
  defineGatewayActor,
  type GatewayMessage,
  type GatewayState,
} from "../../gateway/gateway_actor.ts";
import { GatewayMemory } from "../../gateway/memory/gateway_memory.ts";
import type { UserRanking } from "../../gateway/memory/user_rankings.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import { fixtureOptions, startMs } from "./fixture.ts";

const eventLog = { refusal: () => undefined };

/** A gateway's actor, and the values that it replies. */
async function actorOf(state: GatewayState) {
  const replies: unknown[] = [];
  const context = {
    reply: (_: unknown, value: unknown) => void replies.push(value),
  } as unknown as ActorContext<GatewayMessage>;
  return { actor: await defineGatewayActor(state).create(context, undefined), replies };
}

Deno.test("a gateway forgets a user for another one, in its memory and its console", async () => {
  const clock = new VirtualClock({ startMs });
  const memory = new GatewayMemory(clock, fixtureOptions);
  const activity = new Activity(clock);
  const { actor, replies } = await actorOf({ memory, eventLog, activity });
  for (const [user, rankingId] of [["ann", "r-1"], ["bob", "r-2"]]) {
    const ranking = { rankingId, modelVersion: 1, learnedThroughMs: 0, items: [] };
    activity.ranked(user, ranking, 1);
    activity.accepted({
      eventId: `${rankingId}-e`,
      rankingId,
      item: "a",
      action: "click",
      acceptedAtMs: 1,
    });
    memory.rankings.remember(rankingId, [{ id: "a" }], startMs);
    memory.userRankings.remember(user, { rankingId, atMs: startMs });
  }
  const ask = (message: unknown) => actor.receive(message as GatewayMessage);
  await ask({ kind: "forgetUser", user: "ann" });
  assert.equal(memory.rankings.check("r-1", "a"), "unknown-ranking");
  assert.equal(memory.rankings.check("r-2", "a"), "shown");
  await ask({ kind: "getActivity" });
  const [, seen] = replies as [undefined, ReturnType<Activity["read"]>];
  assert.deepEqual(seen.rankings.map(({ user }) => user), ["bob"]);
  assert.deepEqual(seen.events.map(({ eventId }) => eventId), ["r-2-e"]);
});

Deno.test("the events of a forgotten user leave the console whose rankings are no longer shown there", async () => {
  const clock = new VirtualClock({ startMs });
  const memory = new GatewayMemory(clock, fixtureOptions);
  const activity = new Activity(clock);
  const { actor } = await actorOf({ memory, eventLog, activity });
  for (const [user, rankingId] of [["ann", "r-1"], ["bob", "r-2"]]) {
    memory.userRankings.remember(user, { rankingId, atMs: startMs });
    const eventId = `e-${user}`;
    activity.accepted({ eventId, rankingId, item: "a", action: "click", acceptedAtMs: 1 });
  }
  await actor.receive({ kind: "forgetUser", user: "ann" } as unknown as GatewayMessage);
  assert.deepEqual(activity.read().events.map(({ eventId }) => eventId), ["e-bob"]);
});

Deno.test("a gateway without a console has no activity", async () => {
  const memory = new GatewayMemory(new VirtualClock({ startMs }), fixtureOptions);
  const { actor, replies } = await actorOf({ memory, eventLog });
  await actor.receive({ kind: "getActivity" } as unknown as GatewayMessage);
  await actor.receive({ kind: "forgetUser", user: "ann" } as unknown as GatewayMessage);
  assert.deepEqual(replies, [{ rankings: [], events: [], refusals: [] }, undefined]);
});

Deno.test("a gateway tells others which of its rankings showed an item to a user before an event", async () => {
  const memory = new GatewayMemory(new VirtualClock({ startMs }), fixtureOptions);
  const { actor, replies } = await actorOf({ memory, eventLog });
  const remember = (rankingId: string, item: string, atMs: number) => {
    memory.rankings.remember(rankingId, [{ id: item }], startMs + atMs);
    memory.userRankings.remember("ann", { rankingId, atMs: startMs + atMs });
  };
  for (let i = 0; i < 12; i++) remember(`r-${i}`, i === 11 ? "b" : "a", i);
  remember("unranked-1", "a", 11); // made of an event of this gateway
  const events = [["a", 11], ["b", 11], ["c", 11], ["b", 10], ["a", 5], ["a", 200], ["a", 109]]
    .map(([item, atMs]) => ({ user: "ann", item, atMs: startMs + Number(atMs) }));
  await actor.receive(
    { kind: "findRankings", events, withinMs: 100 } as unknown as GatewayMessage,
  );
  const [answer] = replies as UserRanking[][][];
  assert.deepEqual(answer[1], [{ rankingId: "r-11", atMs: startMs + 11 }]);
  assert.deepEqual(
    answer.map((found) => found.map(({ rankingId }) => rankingId)),
    [["r-10", "r-9"], ["r-11"], [], [], ["r-5", "r-4"], [], ["r-10"]],
  );
});

Deno.test("a gateway tells others how it remembers rankings", async () => {
  const memory = new GatewayMemory(new VirtualClock({ startMs }), fixtureOptions);
  const eventLog = { refusal: (): Error | undefined => undefined };
  const { actor, replies } = await actorOf({ memory, eventLog });
  memory.rankings.remember("r-1", [{ id: "a" }], startMs);
  memory.rankings.remember("r-2", [{ id: "a" }, { id: UNLOGGED_ITEM }], startMs);
  const events = [["r-0", "a"], ["r-1", "a"], ["r-1", "b"], ["r-2", "a"]]
    .map(([rankingId, item]) => ({ rankingId, item }));
  const check = { kind: "checkRankings", events } as unknown as GatewayMessage;
  await actor.receive(check);
  eventLog.refusal = () => new Error("Redis is away, and may have lost the newest rankings");
  await actor.receive(check);
  assert.deepEqual(replies, [[
    { lookup: "unknown-ranking", isUnlogged: false },
    { lookup: "shown", isUnlogged: false },
    { lookup: "item-not-shown", isUnlogged: false },
    { lookup: "shown", isUnlogged: true },
  ], [
    { lookup: "unknown-ranking", isUnlogged: false },
    { lookup: "shown", isUnlogged: true },
    { lookup: "item-not-shown", isUnlogged: true },
    { lookup: "shown", isUnlogged: true },
  ]]);
});
