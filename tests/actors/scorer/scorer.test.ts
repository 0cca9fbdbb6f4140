import assert from "node:assert/strict";
import type { ScorerOptions } from "../../../actors/scorer/definition.ts";
import type { ChangeReplicas, ScorerMessage } from "../../../actors/scorer/protocol.ts";
import { createInferenceSession } from "../../../kernels/dense/inference_session.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { ActorDefinition, Address } from "../../../mesh/runtime/actor.ts";
import { present } from "../../../structures/invariant.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

const USERS = ["u", "v", "w"];
const ITEMS = ["a", "b", "c", "d"];

/** A loop that has learned tastes, so that scores differ. */
async function trained(options: Parameters<typeof Loop.start>[0] = {}): Promise<Loop> {
  const loop = await Loop.start(options);
  for (const [i, user] of USERS.entries()) {
    const { rankingId } = await loop.rank(user, ITEMS);
    await loop.act(rankingId, ITEMS[i], "click");
    await loop.mesh.advance(100);
  }
  await loop.mesh.advance(11_000);
  await loop.rank("end", ["z"]);
  await loop.mesh.advance(1_000);
  return loop;
}

Deno.test("requests that wait together share one pass, with the scores that each gets alone", async () => {
  const loop = await trained();
  const alone = [];
  for (const user of USERS) alone.push((await loop.rank(user, ITEMS)).items);
  const passes = () => loop.mesh.telemetry.samples("cairn_scorer_batch_rows").length;
  const before = passes();
  const together = await loop.mesh.settle(
    Promise.all(USERS.map((user) => loop.requestRanking(user, ITEMS))),
  );
  assert.equal(passes(), before + 1);
  assert.deepEqual(together.map(({ items }) => items), alone);
  assert.ok(new Set(alone.flat().map(({ score }) => score)).size > ITEMS.length);
  await loop.stop();
});

Deno.test("a session that takes shared slots once a ranking gives the scores and cold items of whole rows", async () => {
  const sharedSlots = [0];
  let passes = 0;
  const expected = await trained();
  const loop = await trained({
    interference: {
      inferenceSession: async ({ model }) => {
        const options = { provider: "cpu", threads: 1, seed: 5, sharedSlots } as const;
        const session = await createInferenceSession(model, options);
        return altered(session, {
          predict(batch) {
            if (batch.shared !== undefined) passes++;
            return session.predict(batch);
          },
        });
      },
    },
  });
  const requests = [["u", ["a", "new", "c"]], ["v", ["d"]], ["stranger", ["b", "a"]]] as const;
  const rankAll = (loop: Loop) =>
    loop.mesh.settle(
      Promise.all(requests.map(([user, items]) => loop.requestRanking(user, [...items]))),
    );
  const rounded = (rankings: Awaited<ReturnType<typeof rankAll>>) =>
    rankings.map(({ items }) =>
      items.map((item) => ({ ...item, score: item.score.toFixed(4), predictions: undefined }))
    );
  passes = 0;
  assert.deepEqual(rounded(await rankAll(loop)), rounded(await rankAll(expected)));
  assert.equal(passes, 1);
  await loop.rank("u", ITEMS, { explain: true });
  assert.equal(passes, 2, "an explanation is made of whole rows");
  await loop.stop();
  await expected.stop();
});

Deno.test("a pass stays within `batchRowsMax`, except for a single larger request", async () => {
  const loop = await trained({ scorer: { batchRowsMax: 9 } });
  const before = loop.mesh.telemetry.samples("cairn_scorer_batch_rows").length;
  const many = Array.from({ length: 10 }, (_, i) => `many-${i}`);
  const requests = [ITEMS, ITEMS, ITEMS, many];
  await loop.mesh.settle(
    Promise.all(requests.map((items) => loop.requestRanking("u", items))),
  );
  const passes = loop.mesh.telemetry.samples("cairn_scorer_batch_rows").slice(before);
  assert.deepEqual(passes, [8, 4, 10]);
  await loop.stop();
});

Deno.test("answers say which dense weights scored them and how fresh the rows were", async () => {
  const loop = await trained();
  const { modelVersion, learnedThroughMs } = await loop.rank("u", ITEMS);
  assert.ok(modelVersion > 0);
  assert.ok(learnedThroughMs > 0);
  assert.deepEqual(await loop.rankerStatus(), {
    ready: true,
    modelVersion,
    learnedThroughMs,
    shardsAway: 0,
  });
  await loop.stop();
});

Deno.test("a restarted scorer is given the weights and the freshness that it had", async () => {
  const loop = await trained();
  const before = await loop.rank("u", ITEMS);
  await loop.restart("scorer/0");
  await loop.mesh.advance(1_000);
  const after = await loop.rank("u", ITEMS);
  assert.deepEqual({ ...after, rankingId: "" }, { ...before, rankingId: "" });
  await loop.stop();
});

Deno.test("a scorer that restarts while the trainer is away serves the last weights", async () => {
  const loop = await trained();
  const before = await loop.rank("u", ITEMS);
  assert.ok(before.modelVersion > 0);
  await loop.mesh.settle(loop.mesh.node().stopActor("trainer/0", 0));
  await loop.restart("scorer/0");
  await loop.mesh.advance(100);
  assert.equal((await loop.rankerStatus()).ready, true);
  const after = await loop.rank("u", ITEMS);
  assert.deepEqual({ ...after, rankingId: "" }, { ...before, rankingId: "" });
  await loop.stop();
});

Deno.test("a scorer without weights is not ready, and ranks nothing", async () => {
  const loop = await trained();
  await loop.mesh.settle(loop.mesh.node().stopActor("parameter_sync/0", 0));
  await loop.restart("scorer/0");
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).ready, false);
  await assert.rejects(loop.rank("u", ITEMS), { name: "NoWeightsError" });
  await loop.stop();
});

/** Features of `rows` unknown items. */
function features(rows: number): FeatureBatch {
  return {
    rows,
    ids: BigUint64Array.from({ length: rows }, (_, i) => 2n << 48n | BigInt(i)),
    listOffsets: Uint32Array.from({ length: 3 * rows + 1 }, (_, i) => Math.ceil(i / 3)),
    dense: new Float32Array(0),
  };
}

/** A trained loop, the rows of each pass of its scorer from now on, and requests to it. */
async function observedPredictionr(options: Partial<ScorerOptions>) {
  const passes: number[] = [];
  const loop = await trained({
    scorer: options,
    interference: {
      inferenceSession: (session) =>
        altered(session, {
          predict(batch) {
            passes.push(batch.rows);
            return session.predict(batch);
          },
        }),
    },
  });
  passes.length = 0;
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const ask = (kind: "explain" | "score", rows: number) =>
    scorer.ask({ kind, features: features(rows) }, { budgetMs: 1_000 }) as Promise<unknown>;
  return { loop, passes, ask };
}

Deno.test("rankings and explanations go on without replicas: items are cold, and no freshness is claimed", async () => {
  const loop = await trained();
  const { modelVersion, learnedThroughMs } = await loop.rank("u", ITEMS);
  await loop.stopReplica(0);
  await loop.stopReplica(1);
  for (const explain of [false, true]) {
    const ranking = await loop.rank("u", ITEMS, { explain });
    assert.deepEqual([ranking.modelVersion, ranking.learnedThroughMs], [modelVersion, 0]);
    assert.deepEqual(ranking.items.map(({ cold }) => cold), ITEMS.map(() => true));
  }
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const embed = { kind: "embed", features: features(3), of: "items" } as const;
  const { shardsAway, vectors } = await loop.mesh.settle(scorer.ask(embed, { budgetMs: 100 }));
  assert.equal(shardsAway, 2);
  assert.ok(vectors.every((each) => each === 0));
  const away = await loop.rankerStatus();
  assert.deepEqual(away, { ready: true, modelVersion, learnedThroughMs: 0, shardsAway: 2 });

  await loop.startReplica(0);
  await loop.startReplica(1);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).shardsAway, 0);
  assert.equal((await loop.rank("u", ITEMS)).learnedThroughMs, learnedThroughMs);
  await loop.stop();
});

Deno.test("while a replica is silent, scores and the status come in half of their askers' time", async () => {
  const loop = await trained();
  await loop.stopReplica(0);
  const silent: ActorDefinition<ServingReplicaMessage, undefined> = {
    ...defineServingReplica(),
    create: () => ({ receive() {} }),
  };
  await loop.mesh.settle(loop.mesh.node().spawn(silent, 0, undefined));
  await loop.rank("u", ITEMS);
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const status = scorer.ask({ kind: "getStatus" }, { budgetMs: 500 });
  const request = { kind: "score", features: features(3) } as const;
  // The status asks the replica too, and no pass waits for it.
  const scores = scorer.ask(request, { budgetMs: 200 });
  assert.equal((await loop.mesh.settle(scores)).shardsAway, 1);
  const { ready, shardsAway } = await loop.mesh.settle(status);
  assert.deepEqual({ ready, shardsAway }, { ready: true, shardsAway: 1 });
  await loop.stop();
});

Deno.test("a scorer that restarts while a replica is away refuses rankings until all have answered", async () => {
  const loop = await trained();
  await loop.stopReplica(0);
  await loop.restart("scorer/0");
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).ready, false);
  await assert.rejects(loop.rank("u", ITEMS), /serving_replica\/0/);
  await loop.startReplica(0);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).ready, true);
  await loop.stop();
});

Deno.test("explanations wait for requests to score, and those beyond the bound are overloaded", async () => {
  const { loop, passes, ask } = await observedPredictionr({ explanationsWaitingMax: 2 });
  const askAll = () =>
    loop.mesh.settle(Promise.allSettled([
      ask("explain", 2),
      ask("explain", 3),
      ask("explain", 4),
      ask("score", 5),
      ask("score", 6),
    ]));
  const outcomes = await askAll();
  const first = passes.splice(0);
  await askAll();
  // A mailbox takes every 32nd message from the lowest priority first: one of the two has none.
  const expected = [11, 2, 6, 3, 9].join();
  const orders = [first.join(), passes.join()];
  assert.ok(orders.includes(expected), `${orders.join(" and ")}: rankings, rows, rows × slots`);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.name : "answered"),
    ["answered", "answered", "OverloadedError", "answered", "answered"],
  );
  await loop.stop();
});

Deno.test("while requests to score keep waiting, an explanation is made after every fourth pass", async () => {
  const { loop, passes, ask } = await observedPredictionr({ batchRowsMax: 12 });
  await loop.mesh.settle(Promise.all([
    ask("explain", 2),
    ask("explain", 3),
    ...Array.from({ length: 10 }, () => ask("score", 12)),
  ]));
  assert.deepEqual(passes, [12, 12, 12, 12, 2, 6, 12, 12, 12, 12, 3, 9, 12, 12]);
  await loop.stop();
});

Deno.test("an explanation whose time is up makes no further pass", async () => {
  let passes = 0;
  let explaining = false;
  const loop: Loop = await trained({
    scorer: { batchRowsMax: 6 },
    interference: {
      inferenceSession: (session) =>
        altered(session, {
          async predict(batch) {
            passes++;
            if (explaining) await loop.mesh.clock.delay(40);
            return await session.predict(batch);
          },
        }),
    },
  });
  explaining = true;
  passes = 0;
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const request = { kind: "explain", features: features(20) } as const;
  await assert.rejects(loop.mesh.settle(scorer.ask(request, { budgetMs: 100 })), {
    name: "AskTimeoutError",
  });
  await loop.mesh.advance(5_000);
  assert.equal(passes, 3, "of eleven");
  explaining = false;
  await loop.stop();
});

/** A loop with a scorer, and replicas of another sharding that a test fills and offers to it. */
async function withOffers() {
  const loop = await trained();
  const budget = { budgetMs: 1_000 };
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const replica = (key: number) =>
    loop.mesh.node().actorRef<ServingReplicaMessage>(`serving_replica/${key}`);
  const send = async (sharding: number, keys: readonly (readonly (number | string)[])[]) => {
    const replicas = keys.map((ofShard) => ofShard.map((key): Address => `serving_replica/${key}`));
    const message: ChangeReplicas = { kind: "changeReplicas", sharding, replicas };
    return (await scorer.ask(message, budget)).sharding;
  };
  return {
    loop,
    /** Offers one replica of each shard, or several; the sharding that the scorer uses then. */
    offer: (sharding: number, keys: readonly (number | readonly (number | string)[])[]) =>
      loop.mesh.settle(send(sharding, keys.map((key) => [key].flat()))),
    send,
    async fill(key: number): Promise<void> {
      await loop.startReplica(key);
      const rows = { class: 0, ids: new BigUint64Array(0), rows: new Float32Array(0) };
      const position = { lineage: "another", sequence: 1 };
      const page = { kind: "loadRows", ...rows, first: true, position } as const;
      await loop.mesh.settle(replica(key).ask(page, budget));
    },
    mark: (key: number, learnedThroughMs: number | undefined) =>
      loop.mesh.settle(replica(key).ask({ kind: "setMark", learnedThroughMs }, budget)),
  };
}

Deno.test("the replicas of a later sharding are used when all have learned what was shown, and freshness is theirs", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  await loop.startReplica(7);
  await fill(8);
  await mark(8, learnedThroughMs);
  assert.equal(await offer(1, [7, 8]), 0, "one is not filled");
  await fill(9);
  assert.equal(await offer(1, [9, 8]), 0, "one has no mark");
  await mark(9, learnedThroughMs - 1);
  assert.equal(await offer(1, [9, 8]), 0, "one has learned less");
  await mark(9, learnedThroughMs + 5);
  assert.equal(await offer(0, [9, 8]), 0, "they are of the same sharding");
  assert.equal(await offer(2, [9, 8]), 2);
  assert.deepEqual(
    (await loop.rank("u", ITEMS)).items.map(({ cold }) => cold),
    ITEMS.map(() => true),
  );
  assert.equal(await offer(1, [0, 1]), 2, "an earlier sharding comes late");
  await mark(8, 7);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).learnedThroughMs, 7, "a shard was restarted");
  await loop.stop();
});

/** A serving replica that answers nothing. */
const silent: ActorDefinition<ServingReplicaMessage, undefined> = {
  kind: "serving_replica",
  mailbox: { capacity: 8, overflow: "reject" },
  restart: { restartsMax: 0, periodMs: 1_000, backoffMs: 1, backoffMsMax: 1 },
  priorityOf: () => "read",
  create: () => ({ receive() {} }),
};

Deno.test("an earlier offer whose replicas are slow does not replace a later one", async () => {
  const { loop, send, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, learnedThroughMs);
  }
  await loop.mesh.settle(loop.mesh.node().spawn(silent, 7, undefined));
  const slow = send(1, [[7, 8]]);
  await loop.mesh.advance(20);
  assert.equal(await offer(2, [9]), 2);
  await loop.mesh.advance(1_000);
  assert.equal(await slow, 2);
  await loop.stop();
});

Deno.test("a scorer that restarts takes later replicas without a shard of hosts that are away", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, 5);
  }
  const away = ["10@edge-2", "10@edge-3"];
  assert.equal(await offer(1, [8, 9, away]), 0, "those in use give rows");
  for (const key of [0, 1]) await loop.stopReplica(key);
  await loop.restart("scorer/0");
  assert.equal(await offer(1, [8, away, 7]), 0, "one that is here has not begun");
  assert.equal(await offer(1, [8, 9, away]), 1);
  assert.equal((await loop.rankerStatus()).shardsAway, 1);
  await loop.stop();
});

Deno.test("a scorer that restarts takes later replicas that give more rows than those that have not ended", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, learnedThroughMs);
  }
  const away = ["10@edge-2", "10@edge-3"];
  await loop.stopReplica(1);
  await loop.mesh.advance(1_000);
  assert.equal(await offer(1, [8, 9, away]), 0, "those in use have given all rows, and may again");
  await loop.restart("scorer/0");
  assert.equal(await offer(1, [8, away]), 0, "they give as few");
  await mark(9, learnedThroughMs - 1);
  assert.equal(await offer(1, [8, 9, away]), 0, "one has learned less");
  await mark(9, learnedThroughMs);
  assert.equal(await offer(1, [8, 9, away]), 1);
  await loop.stop();
});

Deno.test("a scorer that restarts keeps replicas that give all rows", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, 5);
  }
  await loop.restart("scorer/0");
  const away = ["10@edge-2", "10@edge-3"];
  assert.equal(await offer(1, [8, 9, away]), 0);
  await loop.stop();
});

Deno.test("an offer that an earlier incarnation had is nothing to the next one", async () => {
  const { loop } = await withOffers();
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  scorer.tell({ kind: "takeOffer" });
  await loop.mesh.advance(10);
  const { restarts } = present(
    loop.mesh.node().statistics().find(({ address }) => address === "scorer/0"),
    "the scorer runs",
  );
  assert.equal(restarts, 0);
  await loop.stop();
});

Deno.test("scores claim the lowest mark of the replicas that they asked, and none where one has no mark", async () => {
  const { loop, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
  await mark(1, learnedThroughMs - 3);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, learnedThroughMs - 3);
  await mark(0, undefined);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, 0);
  await loop.stop();
});

Deno.test("a scorer loads weights that it cannot pass on, and says which scorers lack them", async () => {
  const loop = await trained();
  const { version, parameters } = await loop.denseWeights();
  const load = (version: number, passTo: readonly Address[]) => {
    const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
    const message = { kind: "loadDenseWeights", weights: { version, parameters }, passTo } as const;
    return loop.mesh.settle(scorer.ask(message, { budgetMs: 1_000 }));
  };
  assert.deepEqual(await load(version + 2, ["scorer/8", "scorer/9"]), {
    versions: [version + 2, -1, -1],
  });
  assert.deepEqual(await load(version + 1, ["scorer/8"]), { versions: [version + 2, -1] }, "older");
  assert.equal((await loop.rank("u", ITEMS)).modelVersion, version + 2);
  await loop.stop();
});

Deno.test("a scorer asks as many shards as the replicas that it was given last", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  await fill(9);
  await mark(9, learnedThroughMs);
  assert.equal(await offer(1, [0, 1, 9]), 1);
  await loop.stopReplica(9);
  const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, 0);
  assert.equal((await loop.rankerStatus()).shardsAway, 1);
  await loop.stop();
});
