/**
 * Goal: a ranking that is cancelled leaves no work and no trace, until it is being logged.
 */
import assert from "node:assert/strict";
import type { RankerMessage } from "../../../actors/ranker/protocol.ts";
import type { RankingRecord, SharedRankings } from "../../../mesh/ports/shared_rankings.ts";
import { Cancellation } from "../../../mesh/runtime/cancel_signal.ts";
import { AskCancelledError } from "../../../mesh/runtime/errors.ts";
import { altered } from "../altered.ts";
import { ITEMS, silentReplica, trained } from "../scorer/trained_loop.ts";
import { Loop } from "../loop.ts";
import { impressions } from "./logged_impressions.ts";

/** Time of a pass whose ranking has less, ms. */
const LATE_MS = 60;
/** Budget of a lookup in a loop, ms. */
const LOOKUP_MS = 1_000;

/** A trained loop with a replica that takes lookups and answers none. */
async function loopWithSilentReplica(options: Parameters<typeof trained>[0] = {}) {
  const loop = await trained(options);
  await loop.stopReplica(0);
  const node = loop.mesh.node();
  await loop.mesh.settle(node.spawn(silentReplica, 0, undefined));
  await loop.rank("u", ITEMS); // its shard is known to be away
  return { loop, node };
}

/** Asks for a ranking that `cancel` ends. */
function cancellable(loop: Loop, rankingId: string, items: readonly string[] = ITEMS) {
  const cancellation = new Cancellation();
  const outcome = loop.requestRanking("u", items, { rankingId }, { signals: [cancellation] })
    .catch((error) => error);
  return { outcome, cancel: () => cancellation.abort() };
}

async function isLogged(loop: Loop, rankingId: string): Promise<boolean> {
  return (await impressions(loop)).some((record) => record.rankingId === rankingId);
}

function countOf(loop: Loop, outcome: string): number {
  return loop.mesh.telemetry.value("cairn_ranker_requests_total", { outcome });
}

Deno.test("a ranking that is cancelled while a replica is silent ends at once, with its lookup, and is not logged", async () => {
  const { loop, node } = await loopWithSilentReplica();
  const beganAtMs = loop.mesh.clock.monotonicMs();
  const { outcome, cancel } = cancellable(loop, "given up");
  await loop.mesh.advance(5);
  cancel();
  assert.ok(await loop.mesh.settle(outcome) instanceof AskCancelledError);
  // The replica holds the lookup no more: its stop waits for nothing.
  assert.equal(await loop.mesh.settle(node.stopActor("serving_replica/0", 5_000)), 0);
  assert.ok(loop.mesh.clock.monotonicMs() - beganAtMs < LOOKUP_MS / 2);
  await loop.mesh.advance(10_000);
  assert.equal(await isLogged(loop, "given up"), false);
  assert.equal(countOf(loop, "cancelled"), 1);
  await loop.stop();
});

Deno.test("of two rankings of one pass, one is answered when the other is cancelled", async () => {
  const { loop } = await loopWithSilentReplica();
  const [first, second] = ["given up", "answered"].map((id) => cancellable(loop, id));
  await loop.mesh.advance(5);
  first.cancel();
  assert.ok(await loop.mesh.settle(first.outcome) instanceof AskCancelledError);
  const ranking = await loop.mesh.settle(second.outcome);
  assert.equal(ranking.items.length, ITEMS.length);
  second.cancel();
  assert.deepEqual(
    await Promise.all(["given up", "answered"].map((id) => isLogged(loop, id))),
    [false, true],
  );
  await loop.stop();
});

Deno.test("a ranking that is cancelled while it waits for a pass is not scored", async () => {
  const batchRowsMax = 2 * ITEMS.length;
  const { loop } = await loopWithSilentReplica({ scorer: { batchRowsMax } });
  const passes = () => loop.mesh.telemetry.samples("cairn_scorer_batch_rows");
  const before = passes().length;
  const rankings = [
    cancellable(loop, "first", [...ITEMS, "e", "f", "g", "h"]),
    cancellable(loop, "given up"), // has room in the pass of the last one
    cancellable(loop, "last"),
  ];
  await loop.mesh.advance(5);
  rankings[1].cancel();
  const [first, givenUp, last] = await loop.mesh.settle(
    Promise.all(rankings.map(({ outcome }) => outcome)),
  );
  assert.ok(givenUp instanceof AskCancelledError);
  assert.deepEqual([first.items.length, last.items.length], [batchRowsMax, ITEMS.length]);
  assert.deepEqual(passes().slice(before), [batchRowsMax, ITEMS.length]);
  await loop.stop();
});

Deno.test("rankings that are cancelled while they wait for a pass take no room from others", async () => {
  const { loop } = await loopWithSilentReplica({
    scorer: { batchRowsMax: ITEMS.length, requestsWaitingMax: 4 },
  });
  const [first, ...givenUp] = Array.from({ length: 4 }, (_, i) => cancellable(loop, `early ${i}`));
  await loop.mesh.advance(5); // the first one's pass is under way
  for (const { cancel } of givenUp) cancel();
  const others = Array.from({ length: 5 }, (_, i) => cancellable(loop, `late ${i}`));
  const outcomes = await loop.mesh.settle(
    Promise.all([first, ...others].map(({ outcome }) => outcome)),
  );
  assert.deepEqual(
    outcomes.map((outcome) => outcome.name ?? outcome.rankingId),
    ["early 0", "late 0", "late 1", "late 2", "late 3", "OverloadedError"],
  );
  await loop.stop();
});

Deno.test("a ranking that is cancelled between its scores and its log is not logged", async () => {
  const loop = await Loop.start();
  const node = loop.mesh.node();
  const settleValue = node.settleValue.bind(node);
  const { outcome, cancel } = cancellable(loop, "given up");
  node.settleValue = (ask, value, transfer) => {
    settleValue(ask, value, transfer);
    if (ask.message.kind === "score") cancel(); // the ranker has not read the scores yet
  };
  assert.ok(await loop.mesh.settle(outcome) instanceof AskCancelledError);
  await loop.mesh.advance(10_000);
  assert.equal(await isLogged(loop, "given up"), false);
  assert.deepEqual(["answered", "cancelled"].map((each) => countOf(loop, each)), [0, 1]);
  await loop.stop();
});

Deno.test("a ranking that is being logged is answered whatever its client does", async () => {
  const appended = Promise.withResolvers<void>();
  const loop = await Loop.start({
    sharedRankings: {
      append: (_partition: number, _ranking: RankingRecord) => appended.promise.then(() => 0),
      remember: () => Promise.resolve(),
    } as unknown as SharedRankings,
  });
  const { outcome, cancel } = cancellable(loop, "logged");
  await loop.mesh.advance(100);
  cancel();
  appended.resolve();
  assert.equal((await loop.mesh.settle(outcome)).rankingId, "logged");
  assert.equal(countOf(loop, "cancelled"), 0);
  await loop.stop();
});

Deno.test("a recommendation that is cancelled while its user's vector is made ends with that", async () => {
  const { loop, node } = await loopWithSilentReplica({ recommend: {} });
  const cancellation = new Cancellation();
  const beganAtMs = loop.mesh.clock.monotonicMs();
  const outcome = node.actorRef<RankerMessage>("ranker/0").ask({
    kind: "recommend",
    user: "u",
    context: {},
    atMs: loop.mesh.clock.nowMs(),
    limit: 10,
    explain: false,
    sources: ["model"],
    candidates: 100,
  }, { budgetMs: 5_000, signals: [cancellation] }).catch((error) => error);
  await loop.mesh.advance(5);
  cancellation.abort();
  assert.ok(await loop.mesh.settle(outcome) instanceof AskCancelledError);
  assert.equal(await loop.mesh.settle(node.stopActor("serving_replica/0", 5_000)), 0);
  assert.ok(loop.mesh.clock.monotonicMs() - beganAtMs < LOOKUP_MS / 2);
  assert.equal(countOf(loop, "cancelled"), 1);
  await loop.stop();
});

Deno.test("a ranking whose scores come when its time is up has failed, and is not logged", async () => {
  const loop: Loop = await Loop.start({
    interference: {
      inferenceSession: (session) =>
        altered(session, {
          async predict(batch) {
            await loop.mesh.clock.delay(LATE_MS);
            return await session.predict(batch);
          },
        }),
    },
  });
  const node = loop.mesh.node();
  const ask = node.ask.bind(node);
  // A scorer on another thread has the time of the way on top of the budget.
  node.ask = (target, address, message, options, sender) => {
    const budgetMs = options.budgetMs + (message.kind === "score" ? LATE_MS : 0);
    return ask(target, address, message, { ...options, budgetMs }, sender);
  };
  const late = loop.requestRanking("u", ITEMS, { rankingId: "late" }, { budgetMs: 50 });
  await assert.rejects(loop.mesh.settle(late), { name: "AskTimeoutError" });
  await loop.mesh.advance(10_000);
  assert.equal(await isLogged(loop, "late"), false);
  const outcomes = ["answered", "cancelled", "failed"];
  assert.deepEqual(outcomes.map((each) => countOf(loop, each)), [0, 0, 1]);
  await loop.stop();
});
