/**
 * A gateway's memory after a restart, read back from the logs while requests are answered.
 */
import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { GatewayMemory } from "../../../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../../../gateway/memory/log_recall.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import { encodeEvent, eventPartition } from "../../../records/event_record.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { shownRows } from "../../actors/joiner/records.ts";
import { gatewayFixture, json, startMs } from "../fixture.ts";

const click = { eventId: "e1", rankingId: "r", item: "a", action: "click" };

function impression(rankingId: string, items: readonly string[], acceptedAtMs = startMs) {
  return encodeEvent({
    kind: "impression",
    rankingId,
    atMs: startMs,
    acceptedAtMs,
    user: "u",
    shown: shownRows(rankingId, items),
  });
}

function action(
  event: { readonly eventId: string; readonly rankingId: string },
  acceptedAtMs: number,
) {
  return encodeEvent({ kind: "action", ...click, ...event, atMs: startMs, acceptedAtMs });
}

/** Begins to recall into a memory, as a restarted server does. */
async function restart(
  fixture: ReturnType<typeof gatewayFixture>,
  eventLog: EventLog,
  options = {},
  exampleLog?: EventLog,
) {
  const { clock, telemetry } = fixture;
  const memory = new GatewayMemory(clock, { ...fixture.options, ...options });
  const source = { eventLog, clock, telemetry, ...(exampleLog && { exampleLog }) };
  return { memory, recall: await recallFromLogs(memory, source) };
}

Deno.test("after a restart, rankings and events of the log are still known", async () => {
  const before = gatewayFixture();
  const { eventLog, clock } = before;
  await before.rank("r", ["a"]);
  await eventLog.append(eventPartition("r", 2), [impression("r", ["a", "b"])]);
  const [first] = (await json(before.post("/v1/events", click))).events;
  clock.stepWall(-1000);

  const { memory } = await restart(before, eventLog);
  assert.equal(before.telemetry.lines.length, 0);
  const restarted = gatewayFixture({ eventLog, memory, clock });
  const answer = await json(restarted.post("/v1/events", [
    click,
    { ...click, eventId: "e2", item: "b" },
    { ...click, eventId: "e3", item: "c" },
    { ...click, item: "b" },
  ]));
  assert.deepEqual(
    answer.events.map((event: { status: string; problem?: { type: string } }) =>
      event.problem?.type ?? event.status
    ),
    ["duplicate", "accepted", "/problems/item-not-shown", "/problems/event-conflict"],
  );
  assert.equal(answer.events[0].acceptedAtMs, first.acceptedAtMs);
  assert.ok(answer.events[1].acceptedAtMs > first.acceptedAtMs);
});

Deno.test("a ranking that was not read back yet is accepted, and unknown ones are refused afterwards", async () => {
  const eventLog = new MemoryEventLog({ partitions: 1 });
  const rankings = 5_000;
  for (let i = 0; i < rankings; i++) await eventLog.append(0, [impression(`r${i}`, ["a"])]);
  const fixture = gatewayFixture();
  const { memory, recall } = await restart(fixture, eventLog);
  const { post, clock } = gatewayFixture({ eventLog, memory, clock: fixture.clock });
  const status = async (rankingId: string, item = "a") =>
    (await post("/v1/events", { ...click, eventId: `${rankingId}/${item}`, rankingId, item }))
      .status;
  assert.equal(await status(`r${rankings - 1}`), 200, "the newest are known at once");
  assert.equal(await status(`r${rankings - 1}`, "z"), 422);
  assert.equal(memory.isComplete, false);
  assert.equal(await status("r0"), 200, "left to the joiner");
  assert.equal(await status("never"), 200, "left to the joiner");

  await clock.settle(recall.done);
  assert.equal(memory.isComplete, true);
  assert.equal(memory.rankings.size, rankings);
  assert.equal(await status("r1"), 200);
  assert.equal(await status("r1", "z"), 422);
  assert.equal(await status("never again"), 422);
});

Deno.test("the newest records of a long log are recalled, and the oldest are forgotten first", async () => {
  const eventLog = new MemoryEventLog({ partitions: 1 });
  const records = Array.from(
    { length: 2500 },
    (_, i) =>
      i % 2 === 0
        ? impression(`r${i}`, ["a"])
        : action({ eventId: `e${i}`, rankingId: `r${i - 1}` }, startMs + i),
  );
  await eventLog.append(0, records);
  await eventLog.trim(0, 700);
  const fixture = gatewayFixture();
  const bounds = { eventsRememberedMax: 800, rankingsRememberedMax: 400 };
  const { memory, recall } = await restart(fixture, eventLog, bounds);
  await fixture.clock.settle(recall.done);
  assert.equal(memory.rankings.size, 400);
  assert.equal(memory.rankings.check("r2498", "a"), "shown");
  assert.equal(memory.rankings.check("r1700", "a"), "shown");
  assert.equal(memory.rankings.check("r1698", "a"), "unknown-ranking");
  const known = (i: number) => memory.events.find(`e${i}`, { ...click, rankingId: `r${i - 1}` });
  assert.deepEqual(known(2499), { isSame: true, acceptedAtMs: startMs + 2499 });
  assert.deepEqual(known(1001), { isSame: true, acceptedAtMs: startMs + 1001 });
  assert.equal(known(899), undefined, "800 newer events are remembered");
});

Deno.test("a record that cannot be decoded is skipped and logged, and the others are recalled", async () => {
  const fixture = gatewayFixture();
  const { eventLog, telemetry } = fixture;
  await fixture.rank("r", ["a"]);
  await eventLog.append(eventPartition("r", 2), [
    Uint8Array.of(0xc1),
    encode(7),
    encode({ kind: "impression" }),
    encode({ kind: "action" }),
    encode({ kind: "action", rankingId: "r", eventId: "e", acceptedAtMs: "soon" }),
  ]);
  await fixture.post("/v1/events", click);
  const { memory } = await restart(fixture, eventLog);
  assert.deepEqual(memory.events.find("e1", click), { isSame: true, acceptedAtMs: startMs });
  assert.equal(telemetry.lines.at(-1)?.fields.records, 5);
});

Deno.test("acceptance goes on after the newest time of either log, although the clock was set back", async () => {
  const hourMs = 3_600_000;
  const fixture = gatewayFixture();
  const eventLog = new MemoryEventLog({ partitions: 2 });
  const exampleLog = new MemoryEventLog({ partitions: 2 });
  await eventLog.append(0, [impression("r", ["a"], startMs + hourMs)]);
  const none = await restart(fixture, eventLog, {
    eventsRememberedMax: 0,
    rankingsRememberedMax: 0,
  });
  assert.ok(none.memory.acceptanceClock.nextMs() > startMs + hourMs);
  const column = new Uint8Array(0);
  await exampleLog.append(1, [encodeExamples({
    firstRow: 0,
    rows: 0,
    schemaFingerprint: 5,
    ids: column,
    listOffsets: column,
    dense: column,
    labels: column,
    logSampleRate: column,
    servedPredictions: column,
    atMs: startMs,
    acceptedAtMs: startMs + 2 * hourMs,
  })]);
  const { memory } = await restart(fixture, eventLog, {}, exampleLog);
  assert.ok(memory.acceptanceClock.nextMs() > startMs + 2 * hourMs);
});

Deno.test("a log that cannot be read is an error line, and the joiner decides on unknown rankings", async () => {
  const eventLog = new MemoryEventLog({ partitions: 1 });
  for (let i = 0; i < 3_000; i++) await eventLog.append(0, [impression(`r${i}`, ["a"])]);
  let reads = 0;
  const failing = Object.assign(Object.create(eventLog) as EventLog, {
    partitions: 1,
    read: (partition: number, from: number, count: number) =>
      reads++ > 20
        ? Promise.reject(new Error("disk I/O error"))
        : eventLog.read(partition, from, count),
    endOffset: eventLog.endOffset.bind(eventLog),
  });
  const fixture = gatewayFixture();
  const { memory, recall } = await restart(fixture, failing);
  await fixture.clock.settle(recall.done);
  assert.equal(memory.isComplete, false);
  assert.match(fixture.telemetry.lines[0].message, /cannot read rankings and events back/);
});

Deno.test("reading ends when the server stops", async () => {
  const eventLog = new MemoryEventLog({ partitions: 1 });
  for (let i = 0; i < 3_000; i++) await eventLog.append(0, [impression(`r${i}`, ["a"])]);
  const fixture = gatewayFixture();
  const { memory, recall } = await restart(fixture, eventLog);
  await fixture.clock.settle(recall.stop());
  assert.equal(memory.isComplete, false);
  assert.equal(fixture.telemetry.lines.length, 0);
});

Deno.test("rankings before an erasure of their user are not recalled, and those after it are", async () => {
  const fixture = gatewayFixture();
  const { eventLog } = fixture;
  const forget = encodeEvent({
    ...{ kind: "forget", erasureId: "e", pass: 1, user: "u", atMs: startMs },
    acceptedAtMs: startMs,
  });
  await eventLog.append(0, [impression("before", ["a"]), forget, impression("after", ["a"])]);
  await eventLog.append(1, [impression("older", ["a"]), forget, impression("newer", ["a"])]);
  const { memory, recall } = await restart(fixture, eventLog);
  await recall.done;
  const known = ["before", "after", "older", "newer"].filter((id) => memory.rankings.has(id));
  assert.deepEqual(known, ["after", "newer"]);
});

Deno.test("acceptance goes on after a mark that is followed by rankings", async () => {
  const fixture = gatewayFixture();
  const { eventLog } = fixture;
  const mark = encodeEvent({ kind: "mark", atMs: startMs, acceptedAtMs: startMs + 500 });
  await eventLog.append(0, [action({ eventId: "e", rankingId: "r" }, startMs + 100), mark]);
  await eventLog.append(0, [impression("r", ["a"], startMs + 10)]);
  const { memory, recall } = await restart(fixture, eventLog);
  await recall.done;
  assert.ok(memory.acceptanceClock.nextMs() > startMs + 500);
});
