import assert from "node:assert/strict";
import type { ScorerOptions } from "../../../actors/scorer/definition.ts";
import type { ScorerMessage } from "../../../actors/scorer/protocol.ts";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { createInferenceSession } from "../../../kernels/dense/inference_session.ts";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { Cancellation } from "../../../mesh/runtime/cancel_signal.ts";
import { altered } from "../altered.ts";
import type { Loop } from "../loop.ts";
import { features, ITEMS, silentReplica, trained, USERS } from "./trained_loop.ts";

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

/** A scorer of a trained loop restarts without these actors; it ranks as before. */
async function ranksAgainWithout(loop: Loop, away: readonly Address[]): Promise<void> {
  const before = await loop.rank("u", ITEMS);
  assert.ok(before.modelVersion > 0);
  for (const actor of away) await loop.mesh.settle(loop.mesh.node().stopActor(actor, 0));
  await loop.restart("scorer/0");
  await loop.mesh.advance(100);
  assert.equal((await loop.rankerStatus()).ready, true);
  const after = await loop.rank("u", ITEMS);
  assert.deepEqual({ ...after, rankingId: "" }, { ...before, rankingId: "" });
  await loop.stop();
}

Deno.test("a scorer that restarts while the trainer is away serves the last weights", async () => {
  await ranksAgainWithout(await trained(), ["trainer/0"]);
});

Deno.test("a scorer begins with the newest snapshot while trainers and parameter sync are away", async () => {
  const loop = await trained();
  await loop.snapshot();
  await ranksAgainWithout(loop, ["trainer/0", "parameter_sync/0"]);
});

Deno.test("a scorer whose store fails at first begins with the newest snapshot all the same", async () => {
  const loop = await trained();
  await loop.snapshot();
  const node = loop.mesh.node();
  for (const actor of ["trainer/0", "parameter_sync/0"] as const) {
    await loop.mesh.settle(node.stopActor(actor, 0));
  }
  const list = loop.blobs.list.bind(loop.blobs);
  loop.blobs.list = () => Promise.reject(new Error("the store is away"));
  await loop.restart("scorer/0");
  await loop.mesh.advance(61_000);
  assert.equal((await loop.rankerStatus()).ready, false);
  loop.blobs.list = list;
  await loop.mesh.advance(5_000);
  assert.equal((await loop.rankerStatus()).ready, true);
  const logged = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.includes("newest snapshot")
  );
  assert.deepEqual(logged.map(({ level }) => level), ["warn", "info"], "once each");
  await loop.stop();
});

Deno.test("weights of trainers that went back behind the snapshot are taken by a scorer that restarts", async () => {
  const loop = await trained();
  await loop.snapshot();
  await loop.mesh.settle(loop.mesh.node().stopActor("parameter_sync/0", 0));
  await loop.restart("scorer/0");
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const model = () => loop.mesh.settle(scorer.ask({ kind: "getModel" }, { budgetMs: 100 }));
  const { isSynced, modelVersion } = await model();
  assert.ok(!isSynced && modelVersion > 1);
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { weights } = await loop.mesh.settle(
    trainer.ask({ kind: "getDenseWeights" }, { budgetMs: 100 }),
  );
  const load = (version: number) =>
    loop.mesh.settle(scorer.ask(
      {
        kind: "loadDenseWeights",
        weights: { ...weights, version },
        learnedThroughMs: 7,
        passTo: [],
      },
      { budgetMs: 100 },
    ));
  assert.deepEqual(await load(modelVersion - 1), { versions: [modelVersion - 1] });
  assert.deepEqual(await model(), {
    isSynced: true,
    modelVersion: modelVersion - 1,
    learnedThroughMs: 7,
  });
  await load(0);
  assert.equal((await model()).modelVersion, modelVersion - 1, "then versions only rise");
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

/** A trained loop, the rows of each pass of its scorer from now on, and requests to it. */
async function observedScorer(options: Partial<ScorerOptions>) {
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
  await loop.mesh.settle(loop.mesh.node().spawn(silentReplica, 0, undefined));
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
  const { loop, passes, ask } = await observedScorer({ explanationsWaitingMax: 2 });
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
  const { loop, passes, ask } = await observedScorer({ batchRowsMax: 12 });
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

Deno.test("a scorer loads weights that it cannot pass on, and says which scorers lack them", async () => {
  const loop = await trained();
  const { version, parameters } = await loop.denseWeights();
  const load = (version: number, passTo: readonly Address[]) => {
    const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
    const learned = { weights: { version, parameters }, learnedThroughMs: 0 };
    const message = { kind: "loadDenseWeights", ...learned, passTo } as const;
    return loop.mesh.settle(scorer.ask(message, { budgetMs: 1_000 }));
  };
  assert.deepEqual(await load(version + 2, ["scorer/8", "scorer/9"]), {
    versions: [version + 2, -1, -1],
  });
  assert.deepEqual(await load(version + 1, ["scorer/8"]), { versions: [version + 2, -1] }, "older");
  assert.equal((await loop.rank("u", ITEMS)).modelVersion, version + 2);
  await loop.stop();
});

Deno.test("a scorer refuses weights of another model, and scores with those that it has", async () => {
  const loop = await trained();
  const { version, parameters: { bias, ...parameters } } = await loop.denseWeights();
  assert.ok(bias !== undefined);
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const learned = { weights: { version: version + 1, parameters }, learnedThroughMs: 0 };
  await assert.rejects(
    loop.mesh.settle(scorer.ask({ kind: "loadDenseWeights", ...learned, passTo: [] }, {
      budgetMs: 1_000,
    })),
    { name: "WeightsMismatchError" },
  );
  assert.equal((await loop.rank("u", ITEMS)).modelVersion, version);
  await loop.stop();
});

Deno.test("a request that finds only cancelled ones in a full queue is handled in the turn that waits for these", async () => {
  const loop = await trained({ scorer: { explanationsWaitingMax: 2 } });
  await loop.stopReplica(0);
  const node = loop.mesh.node();
  await loop.mesh.settle(node.spawn(silentReplica, 0, undefined));
  await loop.rank("u", ITEMS); // its shard is known to be away
  const scorer = node.actorRef<ScorerMessage>("scorer/0");
  const tell = node.tell.bind(node);
  let turns = 0;
  node.tell = (target, address, message, transfer) => {
    if (message.kind === "explainWaiting") turns++;
    tell(target, address, message, transfer);
  };
  const explain = { kind: "explain", features: features(2) } as const;
  const cancellation = new Cancellation();
  const givenUp = Array.from(
    { length: 2 },
    () => scorer.ask(explain, { budgetMs: 1_000, signals: [cancellation] }).catch((error) => error),
  );
  const scores = scorer.ask({ kind: "score", features: features(3) }, { budgetMs: 200 });
  await loop.mesh.advance(5); // its pass waits for the replica
  cancellation.abort();
  const last = scorer.ask(explain, { budgetMs: 1_000 });
  await loop.mesh.settle(Promise.all([...givenUp, scores]));
  assert.equal((await loop.mesh.settle(last)).length, 2);
  assert.equal(turns, 2, "the first one goes behind the scores");
  await loop.stop();
});
