/**
 * The simulated Redis keeps the promises of the real one, by the same cases, and a fail-over that
 * loses its tail is noticed by each process that knew of it.
 */
import assert from "node:assert/strict";
import { logBudgets } from "../../../mesh/adapters/redis/log_budgets.ts";
import { ACCEPTANCE_STEP_MS, type AppendUntil } from "../../../mesh/ports/event_log.ts";
import { SimulatedEventLog } from "../../../simulation/mesh/simulated_event_log.ts";
import { RankingsAwaitedError, UNLOGGED_ITEM } from "../../../mesh/ports/shared_rankings.ts";
import { SimulatedRankings } from "../../../simulation/mesh/simulated_rankings.ts";
import { SimulatedRecordStore } from "../../../simulation/mesh/simulated_record_store.ts";
import { coordinationContract } from "../../contracts/coordination/coordination_contract.ts";
import { eventLogContract } from "../../contracts/event_log_contract.ts";
import { descriptionOf, meshSettings } from "../../mesh/placement/model.ts";
import { pump } from "./pump.ts";
import { Server } from "./simulated_server.ts";

const text = (value: string) => new TextEncoder().encode(value);

eventLogContract("simulated Redis log", async ({ idsRetainedMs, ...options }) => {
  const server = new Server(idsRetainedMs);
  const stop = pump(server.clock);
  let opened = 0;
  const open = () => server.open(`writer-${opened++}`, options);
  let log = await open();
  return {
    log,
    async reopen() {
      await log.close();
      return log = await open();
    },
    async dispose() {
      await log.close();
      stop();
    },
  };
});

coordinationContract("simulated Redis records", () => {
  const server = new Server();
  const stop = pump(server.clock);
  return Promise.resolve({
    connect: () => Promise.resolve(new SimulatedRecordStore(server.link(4_000_000))),
    dispose: () => Promise.resolve(stop()),
  });
});

Deno.test("a process that knew of records which a fail-over has lost refuses, and a new one goes on", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  await clock.settle(log.append(0, [text("a")]));
  await clock.advance(1_000);
  await clock.settle(log.append(0, [text("b")]));
  redis.stop();
  assert.ok(redis.start(500) > 0);
  assert.deepEqual(server.lost, ["events/0 1"]);
  await assert.rejects(clock.settle(log.append(0, [text("c")])), { name: "LogTailLostError" });
  const later = await clock.settle(server.open());
  assert.equal(await clock.settle(later.append(0, [text("c")])), 1);
});

Deno.test("clients that come back to an old primary notice what only the new one had", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const [log, quiet] = [await clock.settle(server.open()), await clock.settle(server.open())];
  await clock.settle(log.append(0, [text("a")]));
  const { run } = redis;
  redis.stop();
  const leftAtMs = clock.monotonicMs();
  await clock.advance(10);
  redis.start(0);
  for (const each of [log, quiet]) await clock.settle(each.endOffset(0));
  await clock.settle(log.append(0, [text("b")]));
  redis.stop();
  await clock.advance(10);
  assert.ok(redis.returnTo(run, leftAtMs) > 0);
  assert.equal(await clock.settle(quiet.append(0, [text("c")])), 1);
  await assert.rejects(clock.settle(log.append(0, [text("d")])), { name: "LogTailLostError" });
});

Deno.test("a fail-over brings the records back whose trim it has lost, and no others", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  await clock.settle(log.append(0, ["a", "b", "c", "d"].map(text)));
  await clock.settle(log.trim(0, 1));
  await clock.advance(1_000);
  await clock.settle(log.trim(0, 2));
  await clock.settle(log.trim(0, 3));
  redis.stop();
  assert.ok(redis.start(500) > 0);
  assert.equal(server.begins.at(-1), "events/0 1");
  const later = await clock.settle(server.open());
  const [oldest] = await clock.settle(later.read(0, 0, 1));
  assert.deepEqual(oldest, { offset: 1, bytes: text("b") });
});

Deno.test("a batch whose answer was lost is not appended twice", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  const appended = log.append(0, [text("a")]);
  // The command runs on the server, then the server restarts: no answer comes.
  await clock.advanceUntil(() => redis.log("events", 2).endOffset(0) === 1);
  redis.stop();
  await clock.advance(300);
  redis.start(0);
  assert.equal(await clock.settle(appended), 0);
  assert.equal(await clock.settle(log.endOffset(0)), 1);
});

Deno.test("while the server is away appends are refused at once, and they go on with it", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  redis.stop();
  const first = log.append(0, [text("a")], "written");
  await assert.rejects(clock.settle(first), { name: "LateAppendError" });
  await clock.advance(2_000);
  await assert.rejects(log.append(0, [text("b")]), { name: "LogUnavailableError" });
  assert.equal(log.refusal()?.name, "LogUnavailableError");
  redis.start(0);
  await clock.advance(200);
  assert.equal(log.refusal(), undefined);
  assert.equal(await clock.settle(log.append(0, [text("c")])), 1);
  // Its append was answered as failed, and went on.
  const [{ bytes }] = await clock.settle(log.read(0, 0, 1));
  assert.deepEqual(bytes, text("a"));
});

Deno.test("records that went back are noticed until an operator accepts the loss", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const mesh = server.mesh();
  await clock.settle(mesh.open(meshSettings({ shards: 1 })));
  await clock.advance(1_000);
  await clock.settle(mesh.join(descriptionOf({ host: "a", incarnation: "a-1" })));
  redis.stop();
  redis.start(500);
  await assert.rejects(clock.settle(mesh.read()), { name: "RecordsLostError" });
  await clock.settle(server.mesh().acceptLoss({ mark: "m0" }));
  assert.equal((await clock.settle(mesh.read())).hosts.size, 0);
});

Deno.test("the server tells of the placements of every kind", async () => {
  const server = new Server();
  const { clock, placed } = server;
  const mesh = server.mesh();
  const parts = { shards: 1, eventPartitions: 1, examplePartitions: 1, trainers: 1 };
  await clock.settle(mesh.open(meshSettings(parts)));
  const run = { host: "a", incarnation: "a-1" };
  await clock.settle(mesh.join(descriptionOf(run)));
  const turn = await clock.settle(mesh.acquireControl(run));
  assert.ok(turn.kind === "controls");
  const kinds = ["shard/0", "events/0", "trainer/0"] as const;
  await clock.settle(mesh.place({
    by: { controllerEpoch: turn.control.epoch, planEdition: 0 },
    changes: kinds.map((key) => ({
      key,
      expected: { state: "unassigned", epoch: 0 },
      next: { state: "restoring", owner: run },
    })),
  }));
  assert.deepEqual(placed.toSorted(), kinds.map((key) => `${key} restoring`).toSorted());
});

/** The rankings of two gateways on one server. */
async function rankingsOfTwo(
  server: Server,
): Promise<readonly [SimulatedRankings, SimulatedRankings]> {
  const open = async () => {
    const link = server.link();
    return new SimulatedRankings(link, await server.open(undefined, { link }));
  };
  return [await server.clock.settle(open()), await server.clock.settle(open())];
}

Deno.test("rankings are found by other gateways, also those made while the server was away", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const [own, other] = await rankingsOfTwo(server);
  const ranking = { rankingId: "r1", items: [{ id: "x" }], bytes: text("r1") };
  assert.equal(await clock.settle(own.append(1, ranking)), 0);
  await clock.settle(other.load(["r1"]));
  assert.equal(other.check("r1", "x"), "shown");
  assert.equal(other.check("r1", "y"), "item-not-shown");
  redis.stop();
  await clock.settle(own.remember("r2", [{ id: "x" }]));
  const away = await clock.settle(other.load(["r1", "r2"]));
  assert.deepEqual([...away].map(([id, { name }]) => [id, name]), [["r2", "RankingsUnreadError"]]);
  redis.start(0);
  await clock.advance(500);
  await clock.settle(other.load(["r2"]));
  assert.equal(other.check("r2", "x"), "shown");
});

Deno.test("a ranking id is used once by all gateways, and an unlogged ranking gives way", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const [one, two] = await rankingsOfTwo(server);
  const append = (to: SimulatedRankings, rankingId: string, item: string) =>
    clock.settle(to.append(0, { rankingId, items: [{ id: item }], bytes: text(rankingId) }));
  const unlogged = [{ id: "x" }, { id: UNLOGGED_ITEM }];
  const log = redis.log("events", 2);
  await append(one, "r", "x");
  await assert.rejects(append(two, "r", "y"), { name: "RankingExistsError" });
  assert.equal(log.endOffset(0), 1);
  await clock.settle(two.remember("r", unlogged)); // its answer came before the refusal
  await clock.settle(two.load(["r"]));
  assert.deepEqual(["x", UNLOGGED_ITEM].map((item) => two.check("r", item)), [
    "shown",
    "item-not-shown",
  ]);
  await clock.settle(one.remember("late", unlogged));
  assert.equal(await append(one, "late", "x"), 1);
});

Deno.test("after a fail-over a ranking that is not there is awaited for two leases, then unknown", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const link = server.link();
  const eventLog = await clock.settle(server.open(undefined, { link }));
  const other = new SimulatedRankings(link, eventLog, 10_000);
  redis.stop();
  assert.equal((await clock.settle(other.load(["r"]))).get("r")?.name, "RankingsUnreadError");
  redis.start(0);
  await clock.advance(19_000);
  const reason = (await clock.settle(other.load(["r"]))).get("r");
  assert.ok(reason instanceof RankingsAwaitedError, String(reason));
  assert.equal(reason.retryAfterSeconds, 4);
  await clock.advance(2_000);
  assert.equal((await clock.settle(other.load(["r"]))).size, 0);
  assert.equal(other.check("r", "x"), "unknown-ranking");
});

Deno.test("a mark that a fail-over has lost is noticed as a lost record is", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  await clock.settle(log.append(0, [text("a")]));
  await clock.advance(1_000);
  const mark = { bytes: new Uint8Array(8), acceptedAtMs: 7 };
  await clock.settle(log.mark([{ partition: 1, unlessAfterMs: 0 }], mark));
  redis.stop();
  assert.ok(redis.start(500) > 0);
  await assert.rejects(clock.settle(log.append(0, [text("b")])), { name: "LogTailLostError" });
});

Deno.test("marks that are not needed leave the refusal of a full log", async () => {
  const server = new Server();
  const { clock } = server;
  const log = await clock.settle(server.open("writer", { bytesMax: 17 }));
  const mark = { bytes: new Uint8Array(9), acceptedAtMs: 7 };
  const marked = [{ partition: 0, unlessAfterMs: 0 }];
  await clock.settle(log.mark(marked, mark));
  await assert.rejects(clock.settle(log.append(1, [new Uint8Array(9)])), { name: "LogFullError" });
  await clock.settle(log.mark(marked, mark));
  assert.equal(log.refusal()?.name, "LogFullError");
});

Deno.test("a fail-over takes the new partitions of a log back, and the next ones go on above their times", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const mark = { bytes: new Uint8Array(8), acceptedAtMs: 7 };
  const log = await clock.settle(server.open());
  await clock.settle(log.mark([{ partition: 0, unlessAfterMs: 0 }], mark));
  await clock.advance(1_000);
  const extent = { firstPartition: 2, partitions: 5 };
  await clock.settle(log.extend(extent));
  await clock.settle(log.mark([{ partition: 3, unlessAfterMs: 7 }], mark));
  redis.stop();
  assert.ok(redis.start(500) > 0);
  const later = await clock.settle(server.open());
  assert.deepEqual([later.firstPartition, later.partitions], [0, 2]);
  await clock.settle(later.extend(extent));
  assert.deepEqual([later.firstPartition, later.partitions], [2, 5]);
  const newest = await clock.settle(later.mark([{ partition: 3, unlessAfterMs: 7 }], mark));
  assert.deepEqual(newest, [7 + ACCEPTANCE_STEP_MS]);
});

Deno.test("a fail-over that loses a ranking of the log loses it for the other gateways too", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const link = server.link();
  const rankings = new SimulatedRankings(
    link,
    await clock.settle(server.open(undefined, { link })),
  );
  const append = (rankingId: string) =>
    clock.settle(rankings.append(0, { rankingId, items: [{ id: "x" }], bytes: text(rankingId) }));
  await append("kept");
  await clock.advance(1_000);
  await append("lost");
  redis.stop();
  assert.ok(redis.start(500) > 0);
  assert.deepEqual(server.lost, ["events/0 1"]);
  assert.deepEqual(["kept", "lost"].map((id) => redis.ranking(id)?.length), [1, undefined]);
});

Deno.test("a follower is told of written records after a while, and soon where it asks", async () => {
  for (const haste of [undefined, "soon"] as const) {
    const server = new Server();
    const { clock } = server;
    const [writer, reader] = [await clock.settle(server.open()), await clock.settle(server.open())];
    const toldAtMs: number[] = [];
    const remove = reader.onAppended(0, () => toldAtMs.push(clock.monotonicMs()), haste);
    const append = async (until: AppendUntil) => {
      toldAtMs.length = 0;
      const beganAtMs = clock.monotonicMs();
      void writer.append(0, [text("a")], until);
      await clock.advance(1_000);
      return Math.round((toldAtMs[0] - beganAtMs) / 10) * 10;
    };
    const { lazyMs, soonMs } = logBudgets;
    assert.deepEqual([await append("written"), await append("durable")], [
      haste ? soonMs : lazyMs,
      0,
    ]);
    remove();
    reader.onAppended(0, () => toldAtMs.push(clock.monotonicMs()));
    assert.equal(await append("written"), lazyMs);
  }
});

Deno.test("nothing passes a cut, and a command that was sent before it may have run", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  server.isCut = true;
  const appended = log.append(0, [text("a")]);
  await clock.advance(500);
  assert.equal(redis.log("events", 2).endOffset(0), 0);
  server.isCut = false;
  assert.equal(await clock.settle(appended), 0);
});

Deno.test("a command whose answers are lost runs, and counts once although it is sent again", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  const other = await clock.settle(server.open());
  server.losesAnswers = true;
  const appended = log.append(0, [text("a")]);
  await clock.advance(150);
  assert.equal(redis.log("events", 2).endOffset(0), 1, "the server has the record");
  await clock.advance(1_000);
  server.losesAnswers = false;
  assert.equal(await clock.settle(appended), 0);
  assert.equal(await clock.settle(other.endOffset(0)), 1);
});

Deno.test("Redis forgets an event id after an hour, also one that a fail-over goes back behind", async () => {
  const { clock, redis } = new Server();
  const log = redis.log("events", 1);
  const append = (id: string) => {
    const once = { id, content: id, acceptedAtMs: 7, endsWithTime: false, bytes: text(id) };
    log.appendOnce(0, [{ ...once, token: "writer:0" }], 2 ** 20);
    return log.endOffset(0);
  };
  assert.equal(append("a"), 1);
  await clock.advance(logBudgets.idsRetainedMs - 1);
  assert.equal(append("a"), 1);
  assert.equal(append("b"), 2);
  await clock.advance(1);
  assert.equal(append("a"), 3);
  assert.equal(append("b"), 3);
  redis.stop();
  assert.ok(redis.start(0.5) > 0);
  assert.equal(log.endOffset(0), 2);
  assert.equal(append("b"), 2, "the fail-over has kept it");
  assert.equal(append("a"), 3, "its first record has expired, its second is lost");
});

/** A fail-over that keeps what a replica has confirmed, while its processes look away. */
function failOver(server: Server): number {
  server.isCut = true; // so that nothing is sent again yet
  server.redis.stop();
  const lost = server.redis.start(60_000, true);
  server.isCut = false;
  return lost;
}

/** The first records of a partition. */
async function textsOf({ clock }: Server, log: SimulatedEventLog, partition = 0) {
  const records = await clock.settle(log.read(partition, 0, 10));
  return records.map(({ bytes }) => new TextDecoder().decode(bytes));
}

const event = { id: "e", content: "", acceptedAtMs: 1, bytes: text("event"), endsWithTime: false };

Deno.test("an event comes behind the rankings of its process that a fail-over has lost", async () => {
  const server = new Server();
  const { clock } = server;
  const log = await clock.settle(server.open());
  for (const ranking of ["a", "b"]) await clock.settle(log.append(0, [text(ranking)], "written"));
  assert.ok(failOver(server) > 0);
  await clock.settle(log.appendOnce(0, [event]));
  assert.deepEqual(await textsOf(server, log), ["a", "b", "event"]);
});

Deno.test("an event waits for a ranking of another gateway that a fail-over has left as unlogged", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const [one, two] = await rankingsOfTwo(server);
  const append = (rankingId: string) =>
    clock.settle(one.append(0, { rankingId, items: [{ id: "x" }], bytes: text(rankingId) }));
  await clock.settle(one.remember("r", [{ id: "x" }, { id: UNLOGGED_ITEM }]));
  redis.confirm();
  await append("r");
  await clock.settle(two.load(["r"]));
  assert.ok(failOver(server) > 0);
  const once = two.appendOnce(0, [event], ["r"]);
  await clock.advance(100);
  await append("r2");
  await clock.settle(once);
  const records = await textsOf(server, await clock.settle(server.open()));
  assert.deepEqual(records.filter((record) => record !== "r2"), ["r", "event"]);
});

Deno.test("a log makes sure of rankings when they are old, and when it closes", async () => {
  const server = new Server();
  const { clock } = server;
  const log = await clock.settle(server.open());
  const rank = () => clock.settle(log.append(0, [text("a")], "written"));
  await rank();
  await clock.advance(logBudgets.unconfirmedMsMax + 100);
  assert.equal(failOver(server), 0);
  await rank();
  await clock.settle(log.close());
  assert.equal(failOver(server), 0);
});

Deno.test("lost rankings of a sealed partition go to the next one, before an event there", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open("a", { partitionOf: () => 2 }));
  await clock.settle(log.append(0, [text("a")], "written"));
  assert.ok(failOver(server) > 0);
  redis.log("events", 2).extend({ firstPartition: 2, partitions: 3 });
  await assert.rejects(clock.settle(log.append(0, [text("b")], "written")), {
    name: "SealedPartitionError",
  });
  await clock.settle(log.appendOnce(2, [event]));
  assert.deepEqual(await textsOf(server, log, 0), []);
  assert.deepEqual(await textsOf(server, log, 2), ["a", "event"]);
});

Deno.test("while the replica is cut nothing is confirmed, and what a fail-over loses is sent again", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const [log, other] = [await clock.settle(server.open()), await clock.settle(server.open("b"))];
  redis.cutReplica();
  const once = other.appendOnce(0, [event]);
  let isAnswered = false;
  void once.then(() => isAnswered = true);
  await clock.advance(100);
  await clock.settle(log.append(0, [text("a")], "written"));
  assert.equal(redis.log("events", 2).endOffset(0), 2);
  assert.equal(isAnswered, false);
  assert.ok(failOver(server) > 0);
  await clock.settle(log.append(0, [text("b")], "written"));
  await clock.settle(once);
  assert.deepEqual((await textsOf(server, log)).toSorted(), ["a", "b", "event"]);
});

Deno.test("a ranking that is sent again is made sure of where the new run has it", async () => {
  const server = new Server();
  const { clock, redis } = server;
  const log = await clock.settle(server.open());
  const lost = { isUrgent: false, records: [text("lost")], fence: undefined, isAgain: false };
  redis.log("events", 2).append(0, "a writer that died", 1, [lost], Infinity);
  await clock.settle(log.append(0, [text("a")], "written"));
  assert.ok(failOver(server) > 0);
  await clock.advance(logBudgets.unconfirmedMsMax + 1_000);
  assert.equal(failOver(server), 0);
  assert.equal(await clock.settle(log.append(0, [text("b")])), 1);
});
