/**
 * Two gateways on one event log: an event may go to another gateway than its ranking, and twice to
 * both.
 */
import assert from "node:assert/strict";
import { FOUND_MAX } from "../../gateway/gateway_actor.ts";
import { RedisEventLog } from "../../mesh/adapters/redis/redis_event_log.ts";
import { RedisSharedRankings } from "../../mesh/adapters/redis/redis_shared_rankings.ts";
import { LOGGED_LATE_ITEM, UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import { newMesh, patientBudgets, withServers } from "../mesh/adapters/redis/servers.ts";
import { gatewayFixture, json } from "./fixture.ts";

interface Rejected {
  readonly status: string;
  readonly unlogged?: true;
  readonly problem?: {
    readonly status: number;
    readonly type?: string;
    readonly retryAfterSeconds?: number;
  };
}

const click = { eventId: "e1", rankingId: "r", item: "a", action: "click" };

await withServers((server) => {
  const test = (
    name: string,
    body: (gateways: ReturnType<typeof gatewayFixture>[]) => Promise<void>,
    /** By default the gateways have been connected for long. */
    sharingMs = 0,
  ) =>
    Deno.test(`${server.program}: ${name}`, async () => {
      const mesh = newMesh();
      const opened = await Promise.all([1, 2].map(async (seed) => {
        const redis = await server.connect({ mesh, deadlineMs: 1_500 });
        const eventLog = await RedisEventLog.open({
          server: redis,
          name: "events",
          partitions: 2,
          bytesMax: 2 ** 24,
          writer: `gateway-${seed}`,
          ...patientBudgets,
        });
        const options = { server: redis, eventLog, retainedMs: 60_000, sharingMs };
        const sharedRankings = new RedisSharedRankings(options);
        const gateway = gatewayFixture({
          eventLog,
          sharedRankings,
          otherGateways: {
            findRankings: (events, withinMs) => {
              const { memory } = opened[2 - seed].gateway;
              return Promise.resolve(
                events.map((event) => memory.servedBefore(event, withinMs, FOUND_MAX)),
              );
            },
            checkRankings: (events) => {
              const { rankings } = opened[2 - seed].gateway.memory;
              return Promise.resolve(events.map(({ rankingId, item }) => ({
                lookup: rankings.check(rankingId, item),
                isUnlogged: rankings.check(rankingId, UNLOGGED_ITEM) === "shown",
              })));
            },
          },
        });
        const close = async () => {
          await eventLog.close();
          redis.close();
        };
        return { gateway, close };
      }));
      try {
        await body(opened.map(({ gateway }) => gateway));
      } finally {
        for (const { close } of opened) await close();
      }
    });

  test("an event on a ranking of the other gateway is accepted", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    assert.equal((await json(two.post("/v1/events", click))).accepted, 1);
    const wrongItem = await two.post("/v1/events", { ...click, eventId: "e2", item: "z" });
    assert.equal((await json(wrongItem)).type, "/problems/item-not-shown");
    const unknown = await two.post("/v1/events", { ...click, eventId: "e3", rankingId: "none" });
    assert.equal((await json(unknown)).type, "/problems/unknown-ranking");
    await one.rank("none", ["a"]);
    const late = await two.post("/v1/events", { ...click, eventId: "e3", rankingId: "none" });
    assert.equal((await json(late)).accepted, 1, "it was answered meanwhile");
  });

  test("an event that overtakes its ranking is accepted", async ([one, two]) => {
    one.memory.rankings.remember("r", [{ id: "a" }, { id: UNLOGGED_ITEM }], 0);
    one.memory.rankings.remember("late", [{ id: "a" }], 0); // its key has expired
    const sent = [
      click,
      { ...click, eventId: "e2", rankingId: "late" },
      { ...click, eventId: "e3", item: "z" },
      { ...click, eventId: "e4", rankingId: "none" },
    ];
    const { events } = await json(two.post("/v1/events", sent));
    assert.deepEqual(
      events.map(({ status, unlogged, problem }: Rejected) => [status, unlogged, problem?.type]),
      [
        ["accepted", true, undefined],
        ["accepted", undefined, undefined],
        ["rejected", undefined, "/problems/item-not-shown"],
        ["rejected", undefined, "/problems/unknown-ranking"],
      ],
    );
  });

  test("a report of shown items that overtakes its ranking is taken", async ([one, two]) => {
    one.memory.rankings.remember("r", [{ id: "a" }, { id: UNLOGGED_ITEM }], 0);
    one.memory.rankings.remember("late", [{ id: "a" }, { id: "b" }], 0); // its key has expired
    const report = (rankingId: string, ...items: string[]) =>
      json(two.post("/v1/shown", { rankingId, items }));
    const { items, note } = await report("r", "a");
    assert.equal(items, 1);
    assert.match(note, /^It changes nothing: the event log does not have its ranking/);
    assert.deepEqual(await report("late", "b", "a"), { rankingId: "late", items: 2 });
    const wrong = await report("late", "a", "z");
    assert.equal(wrong.type, "/problems/item-not-shown");
    assert.deepEqual(wrong.errors.map(({ pointer }: { pointer: string }) => pointer), [
      "#/items/1",
    ]);
    assert.equal((await report("none", "a")).type, "/problems/unknown-ranking");
  });

  test(
    "a gateway that has just started has an event on an unknown ranking sent again",
    async ([one, two]) => {
      const early = await two.post("/v1/events", { ...click, rankingId: "none" });
      assert.deepEqual([early.status, early.headers.get("retry-after")], [503, "30"]);
      assert.equal((await json(early)).type, "/problems/unavailable");
      await one.rank("none", ["a"]);
      const again = await two.post("/v1/events", { ...click, rankingId: "none" });
      assert.equal((await json(again)).accepted, 1);
    },
    Infinity,
  );

  test(
    "an event whose ranking may still come waits alone, and its entry says how long",
    async ([one, two]) => {
      await one.rank("r", ["a"]);
      const sent = [click, { ...click, eventId: "e2", rankingId: "none" }, {
        ...click,
        eventId: "e3",
        item: "z",
      }];
      const some = await two.post("/v1/events", sent);
      assert.equal(some.status, 207);
      const { events } = await json(some);
      assert.deepEqual(
        events.map(({ status, problem }: Rejected) => [
          status,
          problem?.status,
          problem?.retryAfterSeconds,
        ]),
        [["accepted", undefined, undefined], ["rejected", 503, 30], ["rejected", 422, undefined]],
      );
      const none = await two.post("/v1/events", sent.slice(1));
      assert.deepEqual([none.status, none.headers.get("retry-after")], [503, "30"]);
      assert.equal((await json(none)).retryAfterSeconds, 30);
    },
    Infinity,
  );

  test("an event of a user whose timestamp is no time is refused alone", async ([one, two]) => {
    await one.rank("r", ["a"]);
    const good = { eventId: "e1", user: "u", item: "a", action: "click" };
    const bad = { ...good, eventId: "e2", timestamp: { toString: 1 } };
    const answer = await two.post("/v1/events", [bad, good]);
    assert.equal(answer.status, 207);
    const { events } = await json(answer);
    assert.deepEqual(events.map(({ status }: Rejected) => status), ["rejected", "accepted"]);
  });

  test("a ranking id that the other gateway has used is refused, and its ranking stays", async ([one, two]) => {
    for (const { ranker } of [one, two]) {
      ranker.script = async (rank) => {
        const ranking = ranker.inOrder(rank);
        const { rankingId, items } = ranking;
        await ranker.sharedRankings?.append(0, { rankingId, items, bytes: new Uint8Array(8) });
        return ranking;
      };
    }
    await one.rank("r", ["a"]);
    const rank = { user: "u", rankingId: "r", candidates: [{ id: "b" }] };
    const again = await two.post("/v1/rank", rank);
    assert.equal((await json(again)).type, "/problems/ranking-exists");
    assert.equal((await json(two.post("/v1/events", click))).accepted, 1);
  });

  test("an event on an unlogged ranking of the other gateway says so", async ([one, two]) => {
    const { ranker } = one;
    ranker.script = (rank) => ({ ...ranker.inOrder(rank), unlogged: true });
    await one.rank("r", ["a", "b"]);
    const { events: [taken] } = await json(two.post("/v1/events", click));
    assert.deepEqual([taken.status, taken.unlogged], ["accepted", true]);
  });

  test("an event on a ranking that was logged late says nothing, at both gateways", async (gateways) => {
    const [{ ranker, rank }] = gateways;
    ranker.script = (request) => ({ ...ranker.inOrder(request), unlogged: true });
    await rank("r", ["a", "b"]);
    const clicks = (round: number) =>
      Promise.all(gateways.map(async ({ post }, i) => {
        const event = { ...click, eventId: `${round}-${i}` };
        const { events: [{ status, unlogged }] } = await json(post("/v1/events", event));
        return [status, unlogged];
      }));
    assert.deepEqual(await clicks(1), [["accepted", true], ["accepted", true]]);
    const items = ["a", "b", LOGGED_LATE_ITEM].map((id) => ({ id }));
    await ranker.sharedRankings?.remember("r", items);
    assert.deepEqual(await clicks(2), [["accepted", undefined], ["accepted", undefined]]);
  });

  test("an event of a user goes to a ranking that was logged late", async ([one]) => {
    const { ranker, rank, post, clock } = one;
    ranker.script = (request) => ({ ...ranker.inOrder(request), unlogged: true });
    await rank("r", ["a", "b"]);
    clock.advance(20_000);
    const items = ["a", "b", LOGGED_LATE_ITEM].map((id) => ({ id }));
    await ranker.sharedRankings?.remember("r", items);
    const event = { eventId: "late", user: "u", item: "a", action: "click" };
    const { events: [{ rankingId, unlogged }] } = await json(post("/v1/events", event));
    assert.deepEqual([rankingId, unlogged], ["r", undefined]);
  });

  test("an event of a user goes to the newest ranking that showed the item, of either gateway", async ([one, two]) => {
    const event = { user: "u", item: "a", action: "click" };
    const rankingOf = async ({ post }: typeof one, eventId: string, item = "a") => {
      const answer = await json(post("/v1/events", { ...event, eventId, item }));
      return answer.events[0].rankingId;
    };
    await one.rank("first", ["a", "b"]);
    for (const { clock } of [one, two]) await clock.advance(1_000);
    assert.equal(await rankingOf(two, "e1"), "first");
    await two.rank("second", ["a"]);
    for (const { clock } of [one, two]) await clock.advance(1_000);
    assert.deepEqual(
      [await rankingOf(one, "e2"), await rankingOf(two, "e3"), await rankingOf(two, "e4", "b")],
      ["second", "second", "first"],
    );
    const timestamp = one.clock.nowMs() - 1_500;
    const past = await json(one.post("/v1/events", { ...event, eventId: "past", timestamp }));
    assert.equal(past.events[0].rankingId, "first", "the second came after it");
    two.memory.forget("u");
    assert.equal(await rankingOf(one, "e5"), "first", "as before the second ranking");
    for (const { clock } of [one, two]) await clock.advance(60_000);
    assert.equal(await rankingOf(two, "e6"), undefined, "its ranking is too old");
  });

  test("a repeated event of a user leaves no ranking where the first one went to a served one", async ([one, two]) => {
    await one.post("/v1/rank", { user: "u", rankingId: "r", candidates: [{ id: "a" }] });
    const event = { eventId: "e", user: "u", item: "a", action: "click" };
    assert.equal((await json(one.post("/v1/events", event))).accepted, 1);
    const logged = await one.logged();
    one.memory.forget("u"); // as after the time within which rankings count
    assert.equal((await json(two.post("/v1/events", event))).duplicates, 1);
    assert.deepEqual(await one.logged(), logged);
  });

  test("a positive event of a user does not go to a ranking that the log of the other gateway lacks", async ([one, two]) => {
    const { ranker } = one;
    ranker.script = (rank) => ({ ...ranker.inOrder(rank), unlogged: true });
    await one.rank("r", ["a", "b"]);
    await two.clock.advance(20_000);
    const event = { eventId: "e", user: "u", item: "a", action: "click" };
    const { events: [{ rankingId, note }] } = await json(two.post("/v1/events", event));
    assert.equal(rankingId, undefined);
    assert.match(note, /^The event log does not have the ranking/);
  });

  test("an event of a user does not go to a ranking that the server has lost", async ([one, two]) => {
    const { memory, clock } = one;
    await one.rank("r", ["a"]);
    const lost = { rankingId: "lost", atMs: clock.nowMs() + 1 };
    memory.rankings.remember(lost.rankingId, [{ id: "a" }], lost.atMs);
    memory.userRankings.remember("u", lost);
    await two.clock.advance(1_000);
    const event = { eventId: "e", user: "u", item: "a", action: "click" };
    const { events: [{ rankingId }] } = await json(two.post("/v1/events", event));
    assert.equal(rankingId, "r");
  });

  test("a ranking that another gateway made of an event is left to it", async ([one, two]) => {
    const event = { user: "u", item: "a", action: "click" };
    for (const [i, { post }] of [one, two].entries()) {
      const { events: [{ rankingId }] } = await json(
        post("/v1/events", { ...event, eventId: `${i}` }),
      );
      assert.equal(rankingId, undefined);
    }
    assert.equal(two.ranker.described.length, 1);
  });

  test("a report on a ranking of the other gateway is taken", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    const report = { rankingId: "r", items: ["b", "a"] };
    assert.equal((await json(two.post("/v1/shown", report))).items, 2);
    const wrongItem = await two.post("/v1/shown", { ...report, items: ["a", "z"] });
    assert.equal((await json(wrongItem)).errors[0].pointer, "#/items/1");
    const unknown = await two.post("/v1/shown", { ...report, rankingId: "none" });
    assert.equal((await json(unknown)).type, "/problems/unknown-ranking");
  });

  test(
    "a ranking that could not be shared is shared when the server answers again",
    async ([one, two]) => {
      await server.local.kill();
      await one.rank("away", ["a", "b"]);
      await server.local.start();
      const event = { ...click, rankingId: "away" };
      const endsMs = performance.now() + 60_000;
      for (;;) {
        const answer = await json(two.post("/v1/events", event));
        if (answer.accepted === 1) break;
        // A refusal for good would lose the event.
        assert.equal(answer.type, "/problems/unavailable");
        assert.ok(performance.now() < endsMs, JSON.stringify(answer));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    3_000,
  );

  test("acceptance times ascend in the log, also where the clock of one gateway is behind", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    two.clock.advance(60_000);
    const times: number[] = [];
    for (let i = 0; i < 12; i++) {
      const gateway = i % 3 === 0 ? two : one;
      const answer = await json(gateway.post("/v1/events", { ...click, eventId: `e${i}` }));
      times.push(answer.events[0].acceptedAtMs);
    }
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.equal(new Set(times).size, times.length);
    const logged = (await one.logged()).map(({ acceptedAtMs }) => acceptedAtMs);
    assert.deepEqual(logged, times);
  });

  test("events that come to two gateways at once get ascending times, each in one append", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    two.clock.advance(3);
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => {
      const gateway = i % 3 === 0 ? two : one;
      return json(gateway.post("/v1/events", { ...click, eventId: `e${i}` }));
    }));
    const times = answers.map(({ events: [{ acceptedAtMs }] }) => acceptedAtMs);
    const logged = (await one.logged()).map(({ acceptedAtMs }) => acceptedAtMs);
    assert.deepEqual(logged, times.toSorted((a, b) => a - b), "in the log as in the answers");
    assert.equal(new Set(logged).size, 60);
  });

  test("an event that both gateways get is accepted once, with one acceptance time", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    const ids = Array.from({ length: 20 }, (_, i) => `e${i}`);
    const batch = ids.map((eventId) => ({ ...click, eventId }));
    const answers = await Promise.all([
      json(one.post("/v1/events", batch)),
      json(two.post("/v1/events", batch)),
    ]);
    assert.equal(answers[0].accepted + answers[1].accepted, ids.length);
    assert.equal(answers[0].duplicates + answers[1].duplicates, ids.length);
    const times = (answer: { events: { acceptedAtMs: number }[] }) =>
      answer.events.map(({ acceptedAtMs }) => acceptedAtMs);
    assert.deepEqual(times(answers[0]), times(answers[1]));
    assert.equal((await one.logged()).length, ids.length);
    const again = await json(two.post("/v1/events", batch.slice(0, 3)));
    assert.deepEqual([again.accepted, again.duplicates], [0, 3]);
  });

  test("another content under an id that the other gateway knows is a conflict", async ([one, two]) => {
    await one.rank("r", ["a", "b"]);
    await one.post("/v1/events", click);
    const refused = await two.post("/v1/events", { ...click, item: "b" });
    assert.equal(refused.status, 409);
    assert.equal((await json(refused)).type, "/problems/event-conflict");
  });

  test("while the server is away, an event on an unknown ranking is not refused for good", async ([one, two]) => {
    await one.rank("r", ["a"]);
    server.local.pause();
    try {
      const answer = await two.post("/v1/events", click);
      assert.equal(answer.status, 503);
      const { type, detail } = await json(answer);
      assert.equal(type, "/problems/unavailable");
      assert.match(detail, /^Cannot read the rankings at .*Send the request again/);
    } finally {
      server.local.resume();
    }
  });
});
