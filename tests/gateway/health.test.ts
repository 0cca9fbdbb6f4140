/**
 * `/health/live`, `/health/ready` and `/metrics`: answers, warnings, and how often they are
 * computed.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { JoinerMessage } from "../../actors/joiner/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import { readySchema } from "../../gateway/schemas/health.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { LogFullError, LogTailLostError, LogUnavailableError } from "../../mesh/ports/event_log.ts";
import type { ActorRef, Message } from "../../mesh/runtime/actor.ts";
import { ActorFailedError, decodeError, encodeError } from "../../mesh/runtime/errors.ts";
import { type FixtureParts, gatewayFixture, json, startMs } from "./fixture.ts";

const rankBody = { user: "u", candidates: [{ id: "a" }] };
const failed = () => Promise.reject(new ActorFailedError("actor/0", "restarting after a crash"));

/** An actor that answers every question by `ask`. */
function part<M extends Message>(ask: () => unknown): ActorRef<M> {
  return { address: "part/0", tell() {}, ask: async () => await ask() } as unknown as ActorRef<M>;
}

const trainer = (ask: () => unknown) => part<TrainerMessage>(ask);
const joiner = (ask: () => unknown) => part<JoinerMessage>(ask);
const replica = (ask: () => unknown) => part<ServingReplicaMessage>(ask);
const shard = (ask: () => unknown) => part<EmbeddingShardMessage>(ask);

function healthOf(parts: FixtureParts) {
  const fixture = gatewayFixture(parts);
  /** The warnings of the next second. */
  async function warnings(): Promise<string[]> {
    await fixture.clock.advance(1000);
    const response = await fixture.app.request("/health/ready");
    assert.equal(response.status, 200);
    const answer = readySchema.parse(await json(response));
    return answer.warnings.map(({ kind, count, detail }) => `${kind} ${count ?? ""}: ${detail}`);
  }
  return { ...fixture, warnings };
}

Deno.test("while the event log refuses appends, the server is not ready and answers carry the remedy", async () => {
  const eventLog = new MemoryEventLog({ name: "events", partitions: 1, bytesMax: 10 });
  const { app, clock, post, rank, ranker } = gatewayFixture({ eventLog });
  await rank("r", ["a"]);
  assert.equal((await app.request("/health/ready")).status, 200);
  const event = { eventId: "e", rankingId: "r", item: "a", action: "click" };
  const refused = await post("/v1/events", event);
  assert.equal(refused.status, 503);
  await clock.advance(1000);
  const notReady = await app.request("/health/ready");
  assert.equal(notReady.status, 503);
  assert.match((await json(notReady)).detail, /Neither rankings nor events.*its limit is 10/);

  const failed = new LogUnavailableError("/data/events", "Free disk space.", "No space left");
  ranker.script = () => Promise.reject(decodeError(structuredClone(encodeError(failed))));
  const ranking = await post("/v1/rank", rankBody);
  assert.equal(ranking.status, 503);
  const problem = await json(ranking);
  assert.equal(problem.type, "/problems/unavailable");
  assert.match(problem.detail, /No space left\. Free disk space\./);
});

Deno.test("while the server with the event log is away or full, the gateway is ready to rank and warns", async () => {
  const away = new LogUnavailableError("events at redis://store", "Check it.", "refused", true);
  const lost = new LogTailLostError("events at redis://store", 0, 7, 5);
  const full = new LogFullError("events at redis://store", "has no memory", true);
  for (const refusal of [away, lost, full]) {
    const eventLog = new MemoryEventLog({ name: "events", partitions: 1, bytesMax: 1_000 });
    eventLog.refusal = () => refusal;
    const { app } = gatewayFixture({ eventLog });
    const ready = await app.request("/health/ready");
    assert.equal(ready.status, 200);
    const { warnings } = await json(ready);
    assert.deepEqual(warnings, [{
      kind: "events-refused",
      detail: `Events are refused, and rankings are not learned from: ${refusal.message}`,
    }]);
  }
});

Deno.test("rankings that the log did not take in time are a warning", async () => {
  const { app, clock, ranker, rank } = gatewayFixture();
  await rank("r0", ["a"]);
  ranker.script = (request) => ({ ...ranker.inOrder(request), unlogged: true });
  for (const id of ["r1", "r2"]) await rank(id, ["a"]);
  await clock.advance(1_000);
  const { warnings: [{ kind, count, detail }] } = await json(app.request("/health/ready"));
  assert.deepEqual([kind, count], ["rankings-unlogged", 2]);
  assert.match(detail, /answered 2 rankings before the event log had them/);
});

Deno.test("lost attributes are a warning, until ten minutes after the last loss", async () => {
  const { app, clock, profiles } = gatewayFixture();
  const warnings = async () => {
    await clock.advance(1_000);
    return (await json(app.request("/health/ready"))).warnings;
  };
  Object.assign(profiles, { changesLost: () => 3 });
  const [{ kind, count, detail }] = await warnings();
  assert.deepEqual([kind, count], ["attributes-lost", 3]);
  assert.match(detail, /without up to 3 changes of attributes,.* send the newest attributes again/);
  await clock.advance(600_000);
  assert.deepEqual(await warnings(), []);
});

Deno.test("a live server that cannot rank is not ready", async () => {
  const { app, clock, ranker } = gatewayFixture();
  ranker.status = { ready: false, modelVersion: 0, learnedThroughMs: 0, shardsAway: 0 };
  assert.deepEqual(await json(app.request("/health/live")), { status: "live" });
  const notReady = await app.request("/health/ready");
  assert.equal(notReady.status, 503);
  assert.equal(notReady.headers.get("retry-after"), "1");
  assert.equal((await json(notReady)).type, "/problems/not-ready");
  ranker.status = { ready: true, modelVersion: 4, learnedThroughMs: startMs, shardsAway: 0 };
  await clock.advance(1000);
  assert.deepEqual(await json(app.request("/health/ready")), {
    status: "ready",
    modelVersion: 4,
    learnedThroughMs: startMs,
    warnings: [],
  });
});

Deno.test("diverged training is a warning, because the server still ranks", async () => {
  const trainers = [
    trainer(() => ({ diverged: "The loss is not finite." })),
    trainer(() => ({})),
    trainer(failed),
  ];
  const { warnings } = healthOf({ trainers: () => trainers });
  assert.deepEqual(await warnings(), ["training-stopped : The loss is not finite."]);
});

Deno.test("a full example log is a warning until it takes examples again", async () => {
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1, bytesMax: 10 });
  const { warnings } = healthOf({ exampleLog });
  assert.deepEqual(await warnings(), []);
  await exampleLog.append(0, [new Uint8Array(8)]);
  await exampleLog.append(0, [new Uint8Array(8)]).catch(() => {});
  const [warning] = await warnings();
  assert.match(warning, /^examples-held : No new examples reach .*"examples" holds 8 bytes/);
  await exampleLog.trim(0, 1);
  assert.deepEqual(await warnings(), []);
});

Deno.test("the joiner's warning is one of the server's, and a joiner that fails has none", async () => {
  const held = healthOf({
    joiners: () => [joiner(() => ({ warning: "No window ends.", examplesDropped: 0 }))],
  });
  assert.deepEqual(await held.warnings(), ["examples-held : No window ends."]);
  assert.deepEqual(await healthOf({ joiners: () => [joiner(failed)] }).warnings(), []);
});

Deno.test("losses are warnings with their number until ten minutes after the last one", async () => {
  let [dropped, refused, lost] = [0, 0, 0];
  const { warnings, clock } = healthOf({
    joiners: () => [joiner(() => ({ warning: undefined, examplesDropped: dropped }))],
    trainers: () => [
      trainer(() => ({ rowsRefused: refused, logLosses: lost })),
      trainer(() => ({ rowsRefused: 1, logLosses: 0 })),
    ],
  });
  assert.match((await warnings())[0], /^rows-put-aside 1: The trainers have refused 1 examples/);
  await clock.advance(600_000);
  assert.deepEqual(await warnings(), []);
  [dropped, refused] = [7, 2];
  const both = await warnings();
  assert.match(both[0], /^rows-put-aside 3: /);
  assert.match(both[1], /^examples-dropped 7: The joiners have dropped 7 examples/);
  lost = 1;
  assert.match((await warnings())[1], /^events-lost 1: Redis came back without .* examples/);
  await clock.advance(600_000);
  assert.deepEqual(await warnings(), []);
  [dropped, refused] = [8, 3];
  assert.equal((await warnings()).length, 2);
  [dropped, refused] = [0, 0];
  assert.equal((await warnings()).length, 1, "the joiner has restarted: nothing is lost since");
});

Deno.test("actions that were let go before their rankings came are a warning", async () => {
  const status = { warning: undefined, examplesDropped: 0, actionsMissed: 236 };
  const { warnings } = healthOf({ joiners: () => [joiner(() => status)] });
  assert.match((await warnings())[0], /^actions-missed 236: The event log had 236 actions long/);
});

Deno.test("shards without a replica that answers are a warning while rankings go on without their rows", async () => {
  const { warnings, ranker } = healthOf({});
  ranker.status = { ...ranker.status, shardsAway: 2, learnedThroughMs: 0 };
  assert.match((await warnings())[0], /^replicas-away : No serving replica of 2 shards answers\./);
  ranker.status = { ...ranker.status, shardsAway: 0 };
  assert.deepEqual(await warnings(), []);
});

Deno.test("serving tables at their limit are a warning while rows are left out", async () => {
  let rowsLeftOut = 0;
  const replicas = [replica(() => ({ rowsLeftOut })), replica(() => ({ rowsLeftOut: 0 }))];
  const { warnings } = healthOf({ replicas: () => replicas });
  assert.deepEqual(await warnings(), []);
  rowsLeftOut = 12;
  assert.match((await warnings())[0], /^rows-not-served 12: .*embeddings\.serving\.bytesMax/);
});

Deno.test("a part that crashes again and again is a warning with its reason, and the server is ready", async () => {
  const { warnings } = healthOf({
    failingParts: () => [{ part: "trainer/0", reason: "Cannot read examples/0" }],
  });
  assert.match(
    (await warnings())[0],
    /^part-failing : trainer\/0 crashes.*Cannot read examples\/0/,
  );
});

Deno.test("a host that cannot renew its lease warns, with the reason", async () => {
  const { warnings } = healthOf({ leaseEnd: () => "the lease of host a has ended; …" });
  assert.deepEqual(await warnings(), ["lease-ended : the lease of host a has ended; …"]);
});

Deno.test("a part that cannot be placed on its host is a warning with host and reason", async () => {
  const { warnings } = healthOf({
    unplacedParts: () => [
      { part: "trainer/0", host: "learn", reason: "the log lacks examples" },
      { part: "trainer/1", reason: "no host with the role trainer is up" },
    ],
  });
  const [failing, without] = await warnings();
  assert.match(
    failing,
    /^part-not-placed : trainer\/0 cannot be placed on host learn, .*: the log lacks examples$/,
  );
  assert.match(without, /^part-not-placed : trainer\/1 has no host; .*: no host with the role/);
});

Deno.test("snapshots that fail are a warning with the reason and the age of the newest one", async () => {
  const { warnings } = healthOf({
    snapshotFailures: () => [
      { host: "learn", reason: "No space left", newestAtMs: startMs - 90_000 },
      { reason: "No space left" },
    ],
  });
  const [onHost, ofProcess] = await warnings();
  assert.match(
    onHost,
    /^snapshots-fail : .* on host learn has failed, and the newest one is 9\d s old: No space left$/,
  );
  assert.match(ofProcess, /a snapshot has failed, and no earlier one is known: No space left$/);
});

/** A host with which there was no link. */
const unlinked = (host: string) => ({ host, isLinked: false, wasLinked: false, reason: undefined });

Deno.test("where a store places parts, a host that is listed ahead is no warning until it was there", async () => {
  const joined: string[] = [];
  const lost = { ...unlinked("learn-2"), wasLinked: true };
  const { warnings } = healthOf({
    joinedHosts: () => joined,
    links: () => [unlinked("edge-9"), unlinked("learn-1"), lost],
  });
  const away = async () => (await warnings()).map((text) => /Host (\S+) cannot/.exec(text)?.[1]);
  assert.deepEqual(await away(), ["learn-2"]);
  joined.push("learn-1");
  assert.deepEqual(await away(), ["learn-1", "learn-2"]);
});

Deno.test("a host that cannot be reached is a warning with its reason", async () => {
  const { warnings } = healthOf({
    links: () => [
      { host: "tables", isLinked: true, wasLinked: true, reason: undefined },
      { ...unlinked("learn"), reason: "host learn has sent nothing for 5000 ms" },
    ],
  });
  const found = await warnings();
  assert.equal(found.length, 1);
  assert.match(found[0], /^host-away : Host learn cannot be reached: .*sent nothing for 5000 ms\./);
  assert.match(found[0], /What it does is not done until it is back\.$/);
});

Deno.test("a host of the mesh that the file does not list is a warning", async () => {
  const { warnings } = healthOf({ unlistedHosts: () => ["Host tables-2 is not listed."] });
  assert.deepEqual(await warnings(), ["host-unlisted : Host tables-2 is not listed."]);
});

Deno.test("where a store places parts, the warning of a lost host says that others take them", async () => {
  const { warnings } = healthOf({
    joinedHosts: () => ["learn"],
    links: () => [unlinked("learn")],
  });
  const [learn] = await warnings();
  assert.match(
    learn,
    /take its shards, joiners and trainers over after mesh\.lease, and part-not-placed names .* keeps them\.$/,
  );
  assert.doesNotMatch(learn, /until it is back/);
});

Deno.test("rankings that are not read back yet are a warning", async () => {
  const { warnings, memory } = healthOf({});
  memory.isComplete = false;
  assert.match((await warnings())[0], /^rankings-unread : /);
});

Deno.test("a failing ranker makes the server not ready, with the reason", async () => {
  const { app, ranker } = gatewayFixture();
  Object.defineProperty(ranker, "status", {
    get() {
      throw new ActorFailedError("ranker/0", "restarting after a crash");
    },
  });
  const response = await app.request("/health/ready");
  assert.equal(response.status, 503);
  assert.match((await json(response)).detail, /restarting after a crash/);
});

Deno.test("metrics are answered in Prometheus' text format", async () => {
  const { app } = gatewayFixture();
  const response = await app.request("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(await response.text(), "# metrics\n");
});

Deno.test("health and metrics are computed at most once a second, however many ask", async () => {
  let rendered = 0;
  const { app, clock, ranker } = gatewayFixture({
    metricsText: async () => {
      await clock.delay(50);
      return `# ${++rendered}\n`;
    },
  });
  const flood = () =>
    Promise.all(
      Array.from({ length: 100 }, async (_, i) =>
        (await app.request(i % 2 ? "/metrics" : "/health/ready")).text()),
    );
  assert.equal((await clock.settle(flood()))[1], "# 1\n");
  await clock.advance(900);
  await clock.settle(flood());
  assert.deepEqual([rendered, ranker.statusAsked], [1, 1]);
  await clock.advance(100);
  assert.equal((await clock.settle(flood()))[1], "# 2\n");
  assert.deepEqual([rendered, ranker.statusAsked], [2, 2]);
});

Deno.test("a failure is shared like an answer, and the next second asks again", async () => {
  let asked = 0;
  const { app, clock } = gatewayFixture({
    metricsText: () => ++asked === 1 ? failed() : Promise.resolve("# metrics\n"),
  });
  for (let i = 0; i < 3; i++) assert.equal((await app.request("/metrics")).status, 503);
  await clock.advance(1000);
  assert.equal((await app.request("/metrics")).status, 200);
  assert.equal(asked, 2);
});

Deno.test("loaded rows are a warning until the shards have given them to the replicas", async () => {
  let [loadedShare, owesLoadedRows] = [0.5, true];
  const shards = [
    shard(() => ({ loadedShare, owesLoadedRows })),
    shard(() => ({ loadedShare: 1, owesLoadedRows: false })),
  ];
  const { warnings } = healthOf({ shards: () => shards });
  assert.match((await warnings()).join(), /rows-loading.*75 % of the rows are loaded/);
  loadedShare = 1;
  assert.match((await warnings()).join(), /rows-loading.*100 % of the rows are loaded/);
  owesLoadedRows = false;
  assert.deepEqual(await warnings(), []);
});
