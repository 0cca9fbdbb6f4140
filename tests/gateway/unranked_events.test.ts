/**
 * Events that name a user instead of a ranking.
 */
import assert from "node:assert/strict";
import { ReplicaNotCurrentError } from "../../actors/serving_replica/protocol.ts";
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";
import type { GatewayOptions } from "../../gateway/options.ts";
import type { GatewayParts } from "../../gateway/parts.ts";
import type { OnceOutcome, OnceRecord } from "../../mesh/ports/event_log.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { GatewayMemory } from "../../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../../gateway/memory/log_recall.ts";
import { eventsAnswerSchema } from "../../gateway/schemas/events.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { gatewayFixture, json, noSharedRankings, startMs } from "./fixture.ts";

const purchase = { eventId: "e1", user: "u", item: "a", action: "purchase" };

const labels: NonNullable<GatewayParts["labels"]> = {
  decides: (action) => action === "purchase" || action === "return",
  learnedWithinMs: (action) => action === "purchase" ? 90_000 : 30_000,
  isPositive: (action) => action === "purchase",
  actions: ["purchase", "return"],
  example: { action: "purchase" },
};

/** All records of the event log, partition by partition. */
async function records(
  { eventLog }: ReturnType<typeof gatewayFixture>,
): Promise<EventRecord[]> {
  const all = [];
  for (let partition = 0; partition < eventLog.partitions; partition++) {
    all.push(...await eventLog.read(partition, 0, 1_000));
  }
  return all.map(({ bytes }) => decodeEvent(bytes));
}

Deno.test("an event without a ranking goes to the newest ranking that showed its item to its user", async () => {
  const { post, rank, logged, clock } = gatewayFixture({ labels });
  for (const [id, items] of [["r1", ["a"]], ["r2", ["a", "b"]], ["r3", ["b"]]] as const) {
    await rank(id, items);
    await clock.advance(1_000);
  }
  const answer = await json(post("/v1/events", purchase));
  assert.ok(eventsAnswerSchema.safeParse(answer).success);
  assert.deepEqual(answer.events, [
    { eventId: "e1", status: "accepted", acceptedAtMs: startMs + 3_000, rankingId: "r2" },
  ]);
  const [{ rankingId, user }] = await logged();
  assert.deepEqual([rankingId, user], ["r2", "u"]);
});

Deno.test("a ranking after the event, of another user, or too long ago does not get it", async () => {
  const fixture = gatewayFixture({ labels });
  const { post, rank, clock } = fixture;
  await rank("r1", ["a"]);
  const events = [
    { ...purchase, eventId: "early", timestamp: startMs - 1 },
    { ...purchase, eventId: "other", user: "v" },
  ];
  for (const event of events) {
    const { events: [{ rankingId, note }] } = await json(post("/v1/events", event));
    assert.equal(rankingId, undefined);
    assert.match(
      note,
      /^No ranking that this gateway knows showed item "a" to user "." in time: it is learned/,
    );
  }
  await clock.advance(60_000);
  await post("/v1/events", { ...purchase, eventId: "late" });
  const made = (await records(fixture)).filter(({ kind }) => kind === "impression");
  assert.equal(made.length, 3);
});

Deno.test("a ranking is made of an event that none showed, with sampled items and their share", async () => {
  const fixture = gatewayFixture({ labels });
  const { post, rank, ranker } = fixture;
  await rank("r1", ["x", "y", "z"]);
  for (const [i, item] of ["x", "y", "z", "x"].entries()) {
    await post("/v1/events", { eventId: `s${i}`, rankingId: "r1", item, action: "purchase" });
  }
  const { events: [{ status, note }] } = await json(post("/v1/events", purchase));
  assert.equal(status, "accepted");
  assert.match(note, /learned from with sampled negatives/);
  const [{ items, user, atMs, logSampleRate, rankingId }] = ranker.described;
  assert.equal(items[0], "a");
  assert.equal(new Set(items).size, 3, "two sampled items");
  assert.deepEqual([user, atMs], ["u", startMs]);
  assert.equal(logSampleRate, Math.log(2 / 49));
  const all = await records(fixture);
  const impression = all.findIndex((record) =>
    "rankingId" in record && record.rankingId === rankingId
  );
  assert.deepEqual(all.slice(impression).map(({ kind }) => kind).slice(0, 2), [
    "impression",
    "action",
  ]);

  // The next event on the item belongs to the same ranking, the sampled items do not.
  const next = await json(post("/v1/events", { ...purchase, eventId: "e2" }));
  assert.equal(next.events[0].rankingId, rankingId);
  await post("/v1/events", { ...purchase, eventId: "e3", item: items[1], user: "u" });
  assert.equal(ranker.described.length, 1, "r1 had shown that item");
});

Deno.test("two events of one request on one item share the ranking that is made", async () => {
  const fixture = gatewayFixture({ labels });
  const answer = await json(fixture.post("/v1/events", [purchase, { ...purchase, eventId: "e2" }]));
  assert.equal(answer.accepted, 2);
  assert.equal(fixture.ranker.described.length, 1);
  const all = await records(fixture);
  assert.deepEqual(all.map(({ kind }) => kind), ["impression", "action", "action"]);
  assert.equal(new Set(all.map((record) => "rankingId" in record && record.rankingId)).size, 1);
  const times = all.slice(1).map(({ acceptedAtMs }) => acceptedAtMs);
  assert.ok(times[0] < times[1], "acceptance ascends in the order of the log");
});

Deno.test("a retry is a duplicate whatever ranking it would find, and another user is a conflict", async () => {
  const { post, rank } = gatewayFixture({ labels });
  await rank("r1", ["a"]);
  await post("/v1/events", purchase);
  await rank("r2", ["a"]);
  const again = await json(post("/v1/events", purchase));
  assert.equal(again.duplicates, 1);
  const other = await post("/v1/events", { ...purchase, user: "v" });
  assert.equal((await json(other)).type, "/problems/event-conflict");
});

Deno.test("an event that only takes something back teaches nothing without a ranking, and says so", async () => {
  const { post, ranker, logged } = gatewayFixture({ labels });
  const { events: [{ status, note }] } = await json(
    post("/v1/events", { ...purchase, action: "return" }),
  );
  assert.equal(status, "accepted");
  assert.match(
    note,
    /^Nothing will be learned from it: no ranking that this gateway knows showed item "a"/,
  );
  assert.equal(ranker.described.length, 0);
  assert.equal((await logged()).length, 1, "it is durable all the same");
});

Deno.test("an event fails with the ranking that cannot be made, and a retry makes another one", async () => {
  const { post, ranker, logged } = gatewayFixture({ labels });
  const { describe } = ranker;
  ranker.describe = () => Promise.reject(new Error("no features"));
  const failed = await json(post("/v1/events", [purchase, { ...purchase, eventId: "e2" }]));
  assert.equal(failed.type, "/problems/internal-error");
  assert.deepEqual([failed.accepted, failed.rejected], [0, 2]);
  assert.deepEqual(await logged(), []);
  ranker.describe = describe;
  assert.equal((await json(post("/v1/events", purchase))).accepted, 1);
  assert.equal(ranker.described.length, 2);
});

Deno.test("an event that the log refuses leaves the ranking of an earlier event in memory", async () => {
  const eventLog = new MemoryEventLog({ name: "events", partitions: 1 });
  const append = eventLog.append.bind(eventLog);
  let appends = 0;
  eventLog.append = (...parts) =>
    ++appends === 2 ? Promise.reject(new Error("no disk")) : append(...parts);
  const { post, ranker } = gatewayFixture({ labels, eventLog });
  const both = await json(post("/v1/events", [purchase, { ...purchase, eventId: "e2" }]));
  assert.deepEqual([both.accepted, both.rejected], [1, 1]);
  const again = await json(post("/v1/events", { ...purchase, eventId: "e2" }));
  assert.equal(again.accepted, 1);
  assert.equal(ranker.described.length, 1, "no second ranking is made");
});

/** A log of several gateways, which remembers ids. */
function sharedLog() {
  const eventLog = new MemoryEventLog({ name: "events", partitions: 1 });
  const known = new Map<string, OnceRecord>();
  const appendOnce = async (partition: number, sent: readonly OnceRecord[]) => {
    const outcomes = sent.map((record): OnceOutcome => {
      const { id } = record;
      const before = id === undefined ? undefined : known.get(id);
      if (before === undefined && id !== undefined) known.set(id, record);
      const { acceptedAtMs } = before ?? record;
      return before === undefined
        ? { kind: "appended", acceptedAtMs }
        : { kind: "earlier", isSame: before.content === record.content, acceptedAtMs };
    });
    const added = sent.filter((_, i) => outcomes[i].kind === "appended").flatMap((record) =>
      record.before === undefined ? [record.bytes] : [record.before, record.bytes]
    );
    if (added.length > 0) await eventLog.append(partition, added);
    return outcomes;
  };
  return Object.assign(eventLog, { appendOnce });
}

Deno.test("a log of several gateways gets an event and the ranking that is made of it in one append", async () => {
  const eventLog = sharedLog();
  const { append } = eventLog;
  let appends = 0;
  eventLog.append = (...parts) => {
    appends++;
    return append.apply(eventLog, parts);
  };
  const fixture = gatewayFixture({ labels, eventLog });
  assert.equal((await json(fixture.post("/v1/events", purchase))).accepted, 1);
  assert.deepEqual((await records(fixture)).map(({ kind }) => kind), ["impression", "action"]);
  assert.equal(appends, 1, "a process that is killed leaves both or neither");
});

Deno.test("an event that two gateways get has one ranking, and the next event waits for it no longer", async () => {
  const eventLog = sharedLog();
  const [one, other] = [1, 2].map((seed) =>
    gatewayFixture({ labels, eventLog, random: new SeededRandom(seed) })
  );
  assert.equal((await json(one.post("/v1/events", purchase))).accepted, 1);
  const again = await json(other.post("/v1/events", [purchase, { ...purchase, eventId: "e2" }]));
  assert.equal(again.duplicates, 1);
  assert.match(JSON.stringify(again.events[1]), /not-ready.*Send it again with the same eventId/);
  const retry = await json(other.post("/v1/events", { ...purchase, eventId: "e2" }));
  assert.equal(retry.accepted, 1);
  const all = await records(one);
  const idsOf = (kind: "impression" | "action") =>
    all.flatMap((record) => record.kind === kind ? [record.rankingId] : []);
  assert.deepEqual(idsOf("action"), idsOf("impression"), "each event's ranking is in the log");
});

Deno.test("after a restart events find the rankings of the log by user and item", async () => {
  const first = gatewayFixture({ labels });
  const rankings = [["r1", "a"], ["r2", "a"], ["r3", "b"]] as const;
  for (const [ranking, item] of rankings) {
    await first.post("/v1/rank", { user: "u", rankingId: ranking, candidates: [{ id: item }] });
    const bytes = await first.ranker.describe({
      kind: "describeItems",
      rankingId: ranking,
      user: "u",
      atMs: startMs,
      items: [item],
      logSampleRate: 0,
    });
    await first.eventLog.append(0, [bytes]);
  }
  const { clock, eventLog, telemetry, options } = first;
  const memory = new GatewayMemory(clock, options);
  const recall = await recallFromLogs(memory, { eventLog, clock, telemetry });
  await recall.done;
  const second = gatewayFixture({ labels, memory, eventLog, clock });
  const answer = await json(second.post("/v1/events", purchase));
  assert.equal(answer.events[0].rankingId, "r2");
});

Deno.test("while rankings are read back an event without a ranking is to be sent again", async () => {
  const { app, post, memory } = gatewayFixture({ labels });
  memory.isComplete = false;
  const response = await post("/v1/events", purchase);
  assert.equal(response.status, 503);
  assert.equal((await json(response)).type, "/problems/not-ready");
  const { paths } = await json(app.request("/openapi.json"));
  assert.match(JSON.stringify(paths["/v1/events"].post.responses[503]), /not-ready/);
  memory.isComplete = true;
  assert.equal((await json(post("/v1/events", purchase))).accepted, 1);
});

Deno.test("served rankings are left alone if the configuration says so", async () => {
  const eventsWithoutRanking = {
    match: "none",
    withinMs: 60_000,
    negatives: 0,
    uniformShare: 0.5,
    itemsSeen: 50,
  } as const;
  const { post, rank } = gatewayFixture({ labels, options: { eventsWithoutRanking } });
  await rank("r1", ["a"]);
  const { events: [{ rankingId, note }] } = await json(post("/v1/events", purchase));
  assert.equal(rankingId, undefined);
  assert.match(note, /Nothing will be learned/);
});

Deno.test("an item without recent events is among the sampled items, unless the configuration says so", async () => {
  for (const [uniformShare, expected] of [[0.5, true], [0, false]] as const) {
    const eventsWithoutRanking = {
      match: "lastShown",
      withinMs: 60_000,
      negatives: 4,
      uniformShare,
      itemsSeen: 50,
    } as const;
    const { post, ranker, memory } = gatewayFixture({ labels, options: { eventsWithoutRanking } });
    for (const item of ["old1", "old2", "old3"]) memory.items.add(item);
    for (let i = 0; i < 10_000; i++) memory.items.add(`new${i % 5}`);
    for (let i = 0; i < 10; i++) {
      await post("/v1/events", { ...purchase, eventId: `e${i}`, user: `u${i}` });
    }
    const sampled = ranker.described.flatMap(({ items }) => items.slice(1));
    assert.equal(sampled.some((item) => item.startsWith("old")), expected);
    assert.ok(sampled.some((item) => item.startsWith("new")));
  }
});

Deno.test("stored items are read when the first ranking is made of an event, not before", async () => {
  const begun: string[] = [];
  const storedItems = { begin: () => void begun.push("begin") };
  const { post, rank } = gatewayFixture({ labels, storedItems });
  await rank("r1", ["a"]);
  await post("/v1/events", purchase);
  assert.deepEqual(begun, []);
  await post("/v1/events", { ...purchase, eventId: "e2", item: "b" });
  assert.deepEqual(begun, ["begin"]);
});

Deno.test("a defect beside a failure that asks for a wait is logged, too", async () => {
  const { post, ranker, telemetry } = gatewayFixture({ labels });
  const errors = [new TypeError("a defect"), new ReplicaNotCurrentError(3)];
  ranker.describe = () => Promise.reject(errors[ranker.described.length - 1]);
  const events = [purchase, { ...purchase, eventId: "e2", user: "other" }];
  const { type } = await json(post("/v1/events", events));
  assert.equal(type, "/problems/not-ready");
  assert.match(JSON.stringify(telemetry.lines), /a defect/);
});

/** A gateway beside others that have no rankings, and the events of which it asked them. */
function besideOthers(options: Partial<GatewayOptions> = {}) {
  const finds: string[][] = [];
  const budgetsMs: number[] = [];
  const gateway = gatewayFixture({
    labels,
    options,
    sharedRankings: noSharedRankings,
    otherGateways: {
      checkRankings: () => assert.fail("no event names its ranking"),
      findRankings(events, _withinMs, budgetMs) {
        budgetsMs.push(budgetMs);
        finds.push(events.map(({ user }) => user));
        return Promise.resolve(events.map(() => []));
      },
    },
  });
  return { ...gateway, finds, budgetsMs };
}

Deno.test("other gateways are asked for the users of valid new events alone", async () => {
  const { post, finds } = besideOthers();
  const invalid = [
    { ...purchase, eventId: undefined },
    { ...purchase, rankingId: "r" },
    { ...purchase, timestamp: -1 },
    { ...purchase, timestamp: startMs + 3_600_000 },
  ];
  const refused = await post("/v1/events", invalid);
  assert.equal(refused.status, 422);
  assert.deepEqual(finds, []);
  const some = await post("/v1/events", [...invalid, purchase]);
  assert.equal(some.status, 207);
  assert.deepEqual(finds, [["u"]]);
  assert.equal((await json(post("/v1/events", purchase))).duplicates, 1);
  assert.deepEqual(finds, [["u"]], "a repeated event needs no ranking");
});

Deno.test("other gateways are told the time that the request has left", async () => {
  const { post, budgetsMs } = besideOthers({ deadlineMs: 70 });
  await post("/v1/events", purchase);
  assert.deepEqual(budgetsMs, [70]);
});
