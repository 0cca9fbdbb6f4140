/**
 * Erasures as the gateway follows them, over stores in memory and doubles of the other parts.
 */
import assert from "node:assert/strict";
import { Erasures } from "../../gateway/erasure/erasures.ts";
import { GatewayMemory } from "../../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../../gateway/memory/log_recall.ts";
import { LogFullError } from "../../mesh/ports/event_log.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { readErasureRequest } from "../../records/erasure.ts";
import { decodeEvent, encodeEvent } from "../../records/event_record.ts";
import { impression } from "../actors/joiner/records.ts";
import { altered } from "../actors/altered.ts";
import { erasureFixture } from "./erasure_fixture.ts";
import { fixtureOptions, gatewayFixture, json, startMs } from "./fixture.ts";

Deno.test("an erasure passes the log twice, waits for feed, and is complete when no log or snapshot holds it", async () => {
  const { gateway, kinds, pass, learn, snapshot, ...parts } = await erasureFixture();
  const { blobs, eventLog, exampleLog, feed, profiles, erasures } = parts;
  await profiles.put("user", "ann", { age: 7 });
  await gateway.rank("r", ["a"]);
  await snapshot(1, 5);
  const response = await gateway.app.request("/v1/users/ann?forget=true", { method: "DELETE" });
  assert.equal(response.status, 202);
  const receipt = await response.json();
  const path = `/v1/erasures/${receipt.erasureId}`;
  assert.equal(response.headers.get("location"), path);
  assert.deepEqual([receipt.status, receipt.profile.removed], ["erasing", true]);
  assert.equal(profiles.get("user", "ann"), undefined);
  assert.deepEqual([await kinds(0), await kinds(1)], [["forget"], ["forget"]]);
  const read = async () => await json(gateway.app.request(path));

  await pass(4); // the deadline of requests in progress, and a second
  assert.deepEqual(await kinds(0), ["forget", "forget"]);
  await learn(receipt.erasureId, 1);
  await pass(1);
  assert.equal((await read()).trainers[0].status, "waiting");
  await learn(receipt.erasureId, 2);
  await pass(2);
  feed.roundsComplete += 3; // the rows of the third may be older than the removal
  await pass(2);
  assert.equal((await read()).serving, "waiting");
  feed.roundsComplete++;
  await pass(2);
  const forgotten = await read();
  assert.deepEqual([forgotten.serving, forgotten.status], ["erased", "expiring"]);
  assert.equal(forgotten.trainers[0].rowsRemoved, 1);
  const kindsHeld = forgotten.holds.map(({ kind }: { kind: string }) => kind);
  assert.deepEqual(kindsHeld, ["eventLog", "eventLog", "exampleLog", "snapshot"]);
  assert.equal((await kinds(0)).at(-1), "release");

  await snapshot(2, 12);
  await blobs.delete("snapshots/000000000000001/manifest.json");
  for (const partition of [0, 1]) await eventLog.trim(partition, 2);
  await exampleLog.trim(0, 2);
  await pass(6);
  const { completedAtMs, status, holds } = await read();
  assert.deepEqual([status, holds], ["erased", []]);
  assert.ok(completedAtMs > startMs);
  for (const name of await blobs.list("erasures/")) {
    assert.ok(!new TextDecoder().decode(await blobs.get(name)).includes("ann"), name);
  }
  const records = (await kinds(0)).length;
  await pass(30);
  assert.equal((await kinds(0)).length, records, "nothing is released for it any more");
  await erasures.stop();
});

Deno.test("replicas of former shards hold up the end of an erasure, as long as a host has them", async () => {
  const late = ["edge"];
  const parts = await erasureFixture({ withEarlierReplicas: () => Promise.resolve(late) });
  const { erasures, gateway, pass, eraseBesidesSnapshots } = parts;
  const path = `/v1/erasures/${await eraseBesidesSnapshots()}`;
  const serving = async () => (await json(gateway.app.request(path))).serving;
  await pass(5);
  assert.equal(await serving(), "waiting");
  late.pop();
  await pass(2);
  assert.equal(await serving(), "erased");
  await erasures.stop();
});

Deno.test("a receipt counts as served since the gateway looked at the hosts, however late it is stored", async () => {
  let lookedAtMs: number | undefined;
  let keeperMs = 0;
  const slowKeeper = async () => {
    if (keeperMs > 0) await parts.clock.delay(keeperMs);
    return { saved: [] };
  };
  const parts = await erasureFixture({
    keepers: [{ ask: slowKeeper } as never],
    withEarlierReplicas: () => {
      lookedAtMs = parts.clock.nowMs();
      return Promise.resolve([]);
    },
  });
  const { blobs, clock, erasures, pass } = parts;
  const erasureId = await parts.eraseLearned();
  keeperMs = 900;
  const put = blobs.put.bind(blobs);
  blobs.put = async (name, bytes) => {
    await clock.delay(7_000);
    await put(name, bytes);
  };
  await pass(12);
  const request = await readErasureRequest(blobs, erasureId);
  assert.ok(lookedAtMs !== undefined);
  assert.equal(request?.servedAtMs, lookedAtMs);
  keeperMs = 0;
  const stopped = erasures.stop();
  await pass(1); // a step may be under way
  await stopped;
});

Deno.test("feeds are asked once for all erasures, and one that is slow holds up no second pass", async () => {
  let asks = 0;
  const silent = () => {
    asks++;
    return parts.clock.delay(1_000).then(() => Promise.reject(new Error("the host is slow")));
  };
  const parts = await erasureFixture({
    rowFeeds: () => Promise.resolve(new Map([["edge", { ask: silent } as never]])),
  });
  const { erasures, kinds, pass, learn } = parts;
  const users = Array.from({ length: 8 }, (_, i) => `user-${i}`);
  const erased = [];
  for (const user of users) erased.push((await erasures.erase(user)).request.erasureId);
  await pass(4);
  for (const erasureId of erased) await learn(erasureId, 2);
  await pass(2);
  await erasures.erase("ann");
  asks = 0;
  await pass(6); // the deadline of requests in progress, a second, and a step that is under way
  assert.equal((await kinds()).length, 2 * (users.length + 1));
  assert.ok(asks <= 4, `${asks} in 6 seconds`);
  await erasures.stop();
});

Deno.test("a serving host that is not in the mesh holds up no erasure, and one that comes is waited for", async () => {
  const silent = { ask: () => Promise.reject(new Error("edge-2 is gone")) } as never;
  const rounds = { roundsComplete: 0 };
  const feeds = new Map([["edge-1", { ask: () => Promise.resolve(rounds) } as never]]);
  const parts = await erasureFixture({ rowFeeds: () => Promise.resolve(feeds) });
  const { erasures, gateway, pass, telemetry } = parts;
  const path = `/v1/erasures/${await parts.eraseLearned()}`;
  const serving = async () => (await json(gateway.app.request(path))).serving;
  feeds.set("edge-2", silent);
  rounds.roundsComplete = 10;
  await pass(90);
  assert.equal(await serving(), "waiting");
  const lines = telemetry.lines.filter(({ message }) => message.includes("edge-2 is gone"));
  assert.equal(lines.length, 1, "the reason is told once");
  const late = telemetry.lines.find(({ message }) => message.includes("is overdue"));
  assert.match(`${late?.fields?.serving}`, /edge-2 is gone/);
  feeds.delete("edge-2");
  feeds.set(
    "edge-3",
    { ask: () => Promise.resolve({ roundsComplete: rounds.roundsComplete - 9 }) } as never,
  );
  await pass(2);
  assert.equal(await serving(), "waiting", "the new host may have copied rows from before");
  rounds.roundsComplete += 4;
  await pass(1);
  assert.equal(await serving(), "erased");
  await parts.eraseLearned();
  await pass(90);
  const behind = telemetry.lines.findLast(({ message }) => message.includes("is overdue"));
  assert.equal(behind?.fields?.serving, "rows are on their way to edge-1, edge-3");
  await erasures.stop();
});

Deno.test("a gateway that restarts goes on with an erasure, and reads its user from the log", async () => {
  const first = await erasureFixture();
  const { request: { erasureId } } = await first.erasures.erase("ann");
  await first.erasures.stop();
  const second = new Erasures(first);
  await second.start();
  await first.pass(4);
  const records = await first.eventLog.read(0, 0, 10);
  const forgets = records.map(({ bytes }) => decodeEvent(bytes));
  assert.deepEqual(
    forgets.map((record) => record.kind === "forget" && [record.user, record.pass]),
    [["ann", 1], ["ann", 2]],
  );
  const request = await readErasureRequest(first.blobs, erasureId);
  assert.deepEqual(request?.secondAt, [1, 1]);
  await second.stop();
});

Deno.test("a gateway that starts while the store is away goes on with an erasure when it is back", async () => {
  const first = await erasureFixture();
  await first.erasures.erase("ann");
  await first.erasures.stop();
  let isAway = true;
  const list = (prefix: string) =>
    isAway ? Promise.reject(new Error("the bucket is away")) : first.blobs.list(prefix);
  const second = new Erasures({ ...first, blobs: altered<BlobStore>(first.blobs, { list }) });
  await second.start();
  await first.pass(5);
  assert.deepEqual(await first.kinds(), ["forget"]);
  const warnings = first.telemetry.lines.filter(({ message }) => message.includes("before this"));
  assert.deepEqual(warnings.map(({ message }) => message), [
    "erasures that began before this start wait: Error: the bucket is away",
  ]);
  isAway = false;
  await first.pass(4);
  assert.deepEqual(await first.kinds(), ["forget", "forget"]);
  await second.stop();
});

Deno.test("another host's erasure is read, and left to that host", async () => {
  const first = await erasureFixture({ host: "one" });
  const { request: { erasureId } } = await first.erasures.erase("ann");
  await first.erasures.stop();
  const second = new Erasures({ ...first, host: "two" });
  await second.start();
  await first.pass(5);
  assert.deepEqual(await first.kinds(), ["forget"]);
  assert.equal((await second.read(erasureId))?.request.erasureId, erasureId);
  await second.stop();
});

Deno.test("an erasure that the log refuses is a problem, and begins with the next try", async () => {
  const { erasures, gateway, eventLog, kinds } = await erasureFixture();
  const append = eventLog.append.bind(eventLog);
  eventLog.append = () => Promise.reject(LogFullError.atLimit("events", 2, 1));
  const remove = () => gateway.app.request("/v1/users/ann?forget=true", { method: "DELETE" });
  const refused = await remove();
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).type, "/problems/log-full");
  eventLog.append = append;
  const taken = await remove();
  assert.equal(taken.status, 202);
  await taken.body?.cancel();
  assert.deepEqual(await kinds(), ["forget"]);
  await erasures.stop();
});

Deno.test("a blob store that fails is a problem of a request, and costs a following no more than time", async () => {
  const { erasures, gateway, blobs, pass, kinds } = await erasureFixture();
  const put = blobs.put.bind(blobs);
  blobs.put = () => Promise.reject(new Error("No space left on device"));
  const remove = () => gateway.app.request("/v1/users/ann?forget=true", { method: "DELETE" });
  const refused = await remove();
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).detail, /No space left on device.*Send it again/);
  blobs.put = put;
  const { erasureId } = await (await remove()).json();
  blobs.put = () => Promise.reject(new Error("No space left on device"));
  await pass(4);
  blobs.put = put;
  await pass(2);
  assert.equal((await readErasureRequest(blobs, erasureId))?.secondAt?.length, 2);
  assert.deepEqual((await kinds()).filter((kind) => kind !== "forget"), []);
  await erasures.stop();
});

Deno.test("a log that cannot roll lets erasures wait, and is tried again", async () => {
  const { erasures, pass, eraseLearned, kinds, ...parts } = await erasureFixture();
  await eraseLearned();
  const log = parts.eventLog as { roll?: () => Promise<void> };
  log.roll = () => Promise.reject(new Error("No space left on device"));
  await pass(60);
  assert.deepEqual((await kinds()).filter((kind) => kind === "release"), []);
  const told = parts.telemetry.lines.filter(({ message }) =>
    /wait for a log.*No space/.test(message)
  );
  assert.equal(told.length, 1, "the reason is told once");
  delete log.roll;
  await pass(6);
  assert.ok((await kinds()).includes("release"));
  await erasures.stop();
});

Deno.test("a release keeps the records that a feature keeper has not saved", async () => {
  const keepers = [[9, 4], [7, 5]].map((saved) => ({ ask: () => Promise.resolve({ saved }) }));
  const { erasures, pass, eraseLearned, eventLog } = await erasureFixture({
    keepers: keepers as never,
  });
  await eraseLearned();
  for (const partition of [0, 1]) {
    const others = Array.from(
      { length: 9 },
      (_, i) => encodeEvent(impression({ ranking: `r${i}`, items: ["a"], atMs: startMs })),
    );
    await eventLog.append(partition, others);
  }
  await pass(6);
  const records = (await eventLog.read(0, 0, 100)).map(({ bytes }) => decodeEvent(bytes));
  const releases = records.filter((record) => record.kind === "release");
  assert.deepEqual(releases[0]?.retainedFrom, [7, 4]);
  await erasures.stop();
});

Deno.test("a release keeps the record of an erasure whose second pass is to come", async () => {
  const { erasures, pass, eraseLearned, eventLog, blobs } = await erasureFixture();
  await eraseLearned();
  await pass(1);
  const { request: { erasureId, firstAt } } = await erasures.erase("bob");
  await pass(1);
  const records = (await eventLog.read(1, 0, 100)).map(({ bytes }) => decodeEvent(bytes));
  const releases = records.filter((record) => record.kind === "release");
  assert.deepEqual(releases.map(({ retainedFrom }) => retainedFrom), [firstAt]);
  // A gateway that restarts now reads the user from that record.
  const request = await readErasureRequest(blobs, erasureId);
  assert.equal(request?.secondAt, undefined);
  await erasures.stop();
});

Deno.test("an erasure whose record is trimmed before its second pass is logged, and not taken for done", async () => {
  const first = await erasureFixture();
  const { request: { erasureId } } = await first.erasures.erase("ann");
  await first.erasures.stop();
  for (const partition of [0, 1]) await first.eventLog.trim(partition, 1);
  const second = new Erasures(first);
  await second.start();
  await first.pass(20);
  assert.deepEqual(await first.kinds(1), []);
  assert.equal((await second.read(erasureId))?.request.secondAt, undefined);
  const lines = first.telemetry.lines.filter(({ message }) => message.includes(erasureId));
  assert.equal(lines.length, 1);
  assert.match(lines[0].message, /cannot be finished.*Erase the user again/);
  await second.stop();
});

Deno.test("an event stays a duplicate when an erasure lets its record go and the gateway restarts", async () => {
  const { erasures, gateway, pass, eraseLearned, eventLog, clock, telemetry } =
    await erasureFixture();
  await gateway.rank("r", ["a"]);
  const click = { eventId: "e", rankingId: "r", item: "a", action: "click" };
  const { events: [{ acceptedAtMs }] } = await json(gateway.post("/v1/events", click));
  await eraseLearned();
  await pass(6);
  for (const partition of [0, 1]) {
    const records = (await eventLog.read(partition, 0, 100)).map(({ offset, bytes }) => {
      return { offset, record: decodeEvent(bytes) };
    });
    const release = records.find(({ record }) => record.kind === "release");
    assert.ok(release?.record.kind === "release");
    // As the joiner does, where no window needs the records.
    await eventLog.trim(partition, release.record.retainedFrom?.[partition] ?? release.offset);
  }
  await erasures.stop();
  const memory = new GatewayMemory(clock, fixtureOptions);
  await (await recallFromLogs(memory, { eventLog, clock, telemetry })).done;
  const restarted = gatewayFixture({ clock, eventLog, memory });
  const { events: [again] } = await json(restarted.post("/v1/events", click));
  assert.deepEqual([again.status, again.acceptedAtMs], ["duplicate", acceptedAtMs]);
});

Deno.test("a delete without forget is no erasure, and a gateway without training has none", async () => {
  const { erasures, gateway, kinds } = await erasureFixture();
  for (const query of ["", "?forget=false"]) {
    const response = await gateway.app.request(`/v1/users/ann${query}`, { method: "DELETE" });
    assert.equal(response.status, 204);
  }
  assert.deepEqual(await kinds(), []);
  await erasures.stop();
  const { app } = gatewayFixture();
  const refused = await app.request("/v1/users/ann?forget=true", { method: "DELETE" });
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).detail, /does not train/);
});

Deno.test("an erasure that is late is logged once, with what still holds the user", async () => {
  const { erasures, pass, eraseLearned, snapshot, telemetry } = await erasureFixture();
  await snapshot(1, 5);
  await eraseLearned();
  await pass(90);
  const late = telemetry.lines.filter(({ message }) => message.includes("is overdue"));
  assert.equal(late.length, 1);
  await erasures.stop();
});
