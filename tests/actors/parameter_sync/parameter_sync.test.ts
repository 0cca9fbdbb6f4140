/**
 * Goal: the shards are told what the trainers have learned, and scorers that start get weights.
 * Method: parameter sync over a shard, two trainers and two scorers that answer by a script.
 */
import assert from "node:assert/strict";
import type { Learned } from "../../../actors/embedding_shard/protocol.ts";
import { defineParameterSync } from "../../../actors/parameter_sync/definition.ts";
import type { ParameterSyncMessage } from "../../../actors/parameter_sync/protocol.ts";
import type { LoadDenseWeights } from "../../../actors/scorer/protocol.ts";
import type { GetAcceptanceMark } from "../../../actors/trainer/protocol.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { NO_ANSWER, scripted } from "../scripted.ts";

/** Numbers of the dealings, and their trainers. */
const [alone, both] = [0, 1];
const trainersOf = [["trainer/0"], ["trainer/0", "trainer/1"]] as const;

const BUDGET_MS = 1_000;

async function start(
  {
    rowsIntervalMs = 10,
    transferMs = 0,
    dealings = [alone, alone],
    served = [0, 0],
    servedThroughMs = 0,
  } = {},
) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const state = {
    learnedThroughMs: 100,
    /** Incarnation of the shard, as each trainer names it. */
    incarnations: ["first", "first"],
    /** Marks that the shard was told. */
    marks: [] as Pick<Learned, "throughMs" | "incarnation">[],
    /** Scorers that answer with an error, and that do not answer. */
    away: new Set<number>(),
    still: new Set<number>(),
    /** Versions of dense weights that each scorer was given, and of those that trainers have. */
    given: [[], []] as number[][],
    version: 1,
    /** Versions that the scorers have, behind the transfers that are under way. */
    served: [...served],
    /** How far the weights of all scorers have learned, ms. */
    servedThroughMs,
    /** Messages to the scorers. */
    asked: 0,
    /** Questions for dense weights. */
    weightsAsked: 0,
    isSynced: true,
    /** Whether questions for dense weights get no answer. */
    weightsAway: false,
    /** Questions for the mark, and for an offer of weights, by trainer. */
    trainersAsked: [0, 0],
    offered: [0, 0],
    /** Answers with a scope, by trainer. */
    scopesTold: [0, 0],
    /** The acceptance mark of the second trainer. */
    learnedByOtherMs: 0,
    /** By trainer. */
    dealings: [...dealings],
  };
  await mesh.settle(node.spawn(
    scripted("embedding_shard", (message) => {
      const { throughMs, incarnation } = message as unknown as Learned;
      state.marks.push({ throughMs, incarnation });
    }),
    0,
    undefined,
  ));
  for (const trainer of [0, 1]) {
    await mesh.settle(node.spawn(
      scripted("trainer", (message) => {
        const { kind } = message;
        const { learnedThroughMs, incarnations, dealings } = state;
        if (kind === "getAcceptanceMark") {
          state.trainersAsked[trainer]++;
          const incarnation = incarnations[trainer];
          const dealing = dealings[trainer];
          const id = `${incarnation} ${dealing}`;
          const isKnown = (message as GetAcceptanceMark).known?.scope === id;
          if (!isKnown) state.scopesTold[trainer]++;
          return {
            learnedThroughMs: trainer === 0 ? learnedThroughMs : state.learnedByOtherMs,
            progress: 1,
            ...(isKnown ? {} : { scope: { id, incarnations: [incarnation], dealing } }),
          };
        }
        if (kind === "offerWeights") {
          state.offered[trainer]++;
          throw new Error("offers nothing");
        }
        state.weightsAsked++;
        if (state.weightsAway) return NO_ANSWER;
        return { weights: { version: state.version }, learnedThroughMs };
      }),
      trainer,
      undefined,
    ));
  }
  for (const host of [0, 1]) {
    await mesh.settle(node.spawn(
      scripted("scorer", (message) => {
        state.asked++;
        if (state.away.has(host)) throw new Error(`host ${host} is away`);
        if (message.kind === "loadDenseWeights") {
          const { weights: { version }, learnedThroughMs, passTo } = message as LoadDenseWeights;
          state.given[host].push(version);
          if (state.still.has(host)) return NO_ANSWER;
          state.isSynced = true;
          const loaded = () => {
            if (version >= state.served[host]) {
              state.served[host] = version;
              state.servedThroughMs = learnedThroughMs;
            }
            return { versions: [state.served[host], ...passTo.map(() => -1)] };
          };
          if (transferMs === 0) return loaded();
          return new Promise<void>((resolve) => void node.clock.schedule(transferMs, resolve))
            .then(loaded);
        }
        if (state.still.has(host)) return NO_ANSWER;
        return {
          isSynced: state.isSynced,
          modelVersion: state.served[host],
          learnedThroughMs: state.servedThroughMs,
        };
      }),
      host,
      undefined,
    ));
  }
  await mesh.settle(node.spawn(defineParameterSync(), 0, {
    shards: ["embedding_shard/0"],
    trainers: trainersOf[dealings[0]],
    dealing: dealings[0],
    scorers: ["scorer/0", "scorer/1"],
    rowsIntervalMs,
    denseIntervalMs: 10,
    averageIntervalMs: 10,
    budgetMs: BUDGET_MS,
  }));
  await mesh.advance(100);
  /** Changes what the trainers know; they tell parameter sync of it. */
  const learn = (change: Partial<typeof state>) => {
    Object.assign(state, change);
    mesh.node().actorRef<ParameterSyncMessage>("parameter_sync/0").tell({ kind: "trainerLearned" });
  };
  return { mesh, state, learn };
}

const first = (throughMs: number) => ({ throughMs, incarnation: "first" });

Deno.test("shards are told a mark that has risen at once, and otherwise once a second", async () => {
  const { mesh, state, learn } = await start();
  assert.deepEqual(state.marks.at(-1), first(100));
  state.marks = [];
  await mesh.advance(10_000);
  const idle = state.marks.length;
  assert.ok(idle >= 9 && idle <= 11, `${idle} marks in 10 s`);
  for (let i = 0; i < 10; i++) {
    learn({ learnedThroughMs: state.learnedThroughMs + 1 });
    await mesh.advance(30);
    assert.deepEqual(state.marks.at(-1), first(state.learnedThroughMs));
  }
  await mesh.stop();
});

Deno.test("a mark is of the incarnation that all trainers name, or of none", async () => {
  const { mesh, state, learn } = await start({ dealings: [both, both] });
  learn({ learnedByOtherMs: 200 });
  await mesh.advance(100);
  assert.deepEqual(state.marks.at(-1), first(100));
  learn({ incarnations: ["second", "first"] });
  await mesh.advance(100);
  assert.deepEqual(state.marks.at(-1), { throughMs: 100, incarnation: undefined });
  learn({ incarnations: ["second", "second"] });
  await mesh.advance(100);
  assert.deepEqual(state.marks.at(-1), { throughMs: 100, incarnation: "second" });
  await mesh.stop();
});

Deno.test("a trainer tells the scope of its mark when it is another one, and not each time", async () => {
  const { mesh, state, learn } = await start();
  await mesh.advance(10_000);
  assert.ok(state.trainersAsked[0] >= 10);
  assert.deepEqual(state.scopesTold, [1, 0]);
  learn({ incarnations: ["second", "first"] });
  await mesh.advance(1_000);
  assert.deepEqual(state.scopesTold, [2, 0]);
  assert.deepEqual(state.marks.at(-1), { throughMs: 100, incarnation: "second" });
  await mesh.stop();
});

Deno.test("marks rise when all trainers of the dealing have told theirs", async () => {
  const { mesh, state, learn } = await start({ dealings: [both, alone] });
  learn({ learnedThroughMs: 300, learnedByOtherMs: 200 });
  await mesh.advance(100);
  const { throughMs, incarnation } = state.marks.at(-1)!;
  assert.deepEqual([throughMs, incarnation], [0, undefined], "the second is of the dealing before");
  state.dealings[1] = both;
  await mesh.advance(100);
  assert.deepEqual(state.marks.at(-1), first(200), "the lower one of both counts");
  assert.ok(state.offered.every((count) => count > 5), "and both are averaged");
  await mesh.stop();
});

Deno.test("without a lease no mark is told and nothing is averaged, and scorers get their weights", async () => {
  const { mesh, state, learn } = await start({ dealings: [both, both] });
  learn({ learnedByOtherMs: 100 });
  await mesh.advance(100);
  assert.deepEqual(state.marks.at(-1), first(100));
  const sync = mesh.node().actorRef<ParameterSyncMessage>("parameter_sync/0");
  sync.tell({ kind: "setLeased", isLeased: false });
  await mesh.advance(1);
  state.offered = [0, 0];
  learn({ learnedThroughMs: 200, learnedByOtherMs: 200 });
  await mesh.advance(2_000);
  assert.deepEqual(state.marks.at(-1), first(100));
  assert.deepEqual(state.offered, [0, 0]);
  sync.tell({ kind: "setLeased", isLeased: true });
  await mesh.advance(1_100);
  assert.deepEqual(state.marks.at(-1), first(200));
  await mesh.stop();
});

Deno.test("while no trainer learns they are asked once a second, and often from the next change on", async () => {
  const { mesh, state, learn } = await start();
  await mesh.advance(1_000);
  state.trainersAsked = [0, 0];
  await mesh.advance(10_000);
  const [idle] = state.trainersAsked;
  assert.ok(idle >= 9 && idle <= 11, `${idle} questions in 10 s`);
  learn({ learnedThroughMs: 101 });
  for (let ms = 0; ms < 1_000; ms += 10) {
    await mesh.advance(10);
    state.learnedThroughMs++; // a trainer that is asked often tells nothing
  }
  const learning = state.trainersAsked[0] - idle;
  assert.ok(learning >= 99 && learning <= 101, `${learning} questions in 1 s`);
  await mesh.stop();
});

Deno.test("a change that a trainer does not tell reaches the shards within a second", async () => {
  const { mesh, state } = await start();
  await mesh.advance(1_000);
  state.learnedThroughMs++; // the message was lost
  await mesh.advance(1_000);
  assert.deepEqual(state.marks.at(-1), first(101));
  await mesh.stop();
});

Deno.test("while no trainer learns, scorers are asked once a second and weights not at all", async () => {
  const { mesh, state, learn } = await start();
  await mesh.advance(1_000);
  state.asked = state.weightsAsked = 0;
  await mesh.advance(10_000);
  assert.ok(state.asked >= 18 && state.asked <= 22, `${state.asked} messages to two scorers`);
  assert.equal(state.weightsAsked, 0);
  learn({ learnedThroughMs: 101 });
  await mesh.advance(30);
  assert.equal(state.weightsAsked, 1, "the weights are new where the trainer has learned");
  await mesh.stop();
});

Deno.test("the last weights before a pause reach the scorers also where others were under way", async () => {
  const { mesh, state, learn } = await start({ transferMs: 50 });
  await mesh.advance(1_500);
  learn({ learnedThroughMs: 101, version: 2 });
  await mesh.advance(30);
  learn({ learnedThroughMs: 102, version: 3 });
  await mesh.advance(200);
  assert.deepEqual(state.served, [3, 3]);
  await mesh.stop();
});

Deno.test("weights of a trainer that went back are served when it has learned as far", async () => {
  const { mesh, state, learn } = await start();
  learn({ learnedThroughMs: 200, version: 526 });
  await mesh.advance(100);
  assert.deepEqual(state.served, [526, 526]);
  for (const [learnedThroughMs, version] of [[0, 90], [199, 91]]) {
    learn({ learnedThroughMs, version });
    await mesh.advance(100);
    assert.deepEqual(state.served, [526, 526], "what was learned is kept meanwhile");
  }
  learn({ learnedThroughMs: 200, version: 92 });
  await mesh.advance(100);
  assert.deepEqual(state.served, [527, 527]);
  learn({ learnedThroughMs: 201 }); // a mark that rises without a batch
  await mesh.advance(100);
  learn({ learnedThroughMs: 202, version: 93 });
  await mesh.advance(100);
  assert.deepEqual(state.served, [528, 528]);
  learn({ learnedThroughMs: 203, version: 600 });
  await mesh.advance(100);
  assert.deepEqual(state.served, [600, 600]);
  await mesh.stop();
});

Deno.test("a sync that starts has scorers take weights that have learned as far as theirs", async () => {
  const { mesh, state, learn } = await start({ served: [526, 90], servedThroughMs: 101 });
  await mesh.advance(2_000);
  assert.deepEqual(state.served, [526, 90], "the trainer learns what they have learned");
  learn({ learnedThroughMs: 101, version: 2 });
  await mesh.advance(100);
  assert.deepEqual(state.served, [527, 527]);
  await mesh.stop();
});

Deno.test("scorers with a later version take the weights of a trainer that learns nothing more", async () => {
  const { mesh, state } = await start({ served: [526, 526], servedThroughMs: 100 });
  await mesh.advance(2_000);
  assert.deepEqual(state.served, [527, 527]);
  const given = state.given.flat().length;
  await mesh.advance(10_000);
  assert.equal(state.given.flat().length, given, "they are carried once");
  await mesh.stop();
});

Deno.test("news that a round of dense weights finds ends the quiet while rounds of marks are rare", async () => {
  const { mesh, state } = await start({ rowsIntervalMs: 60_000 });
  await mesh.advance(2_000);
  state.weightsAsked = 0;
  for (let i = 0; i < 200; i++) {
    state.learnedThroughMs++; // the first message was lost; from then on there is news at each look
    await mesh.advance(10);
  }
  assert.ok(state.weightsAsked > 90, `${state.weightsAsked} questions in 2 s`);
  await mesh.stop();
});

Deno.test("a scorer that starts gets weights at once, however rare the rounds are", async () => {
  const { mesh, state } = await start({ rowsIntervalMs: 86_400_000 });
  await mesh.advance(1_500);
  state.isSynced = false;
  mesh.node().actorRef<ParameterSyncMessage>("parameter_sync/0").tell({ kind: "servingStarted" });
  await mesh.advance(5);
  assert.equal(state.isSynced, true);
  await mesh.stop();
});

Deno.test("a scorer whose start sync does not hear of gets weights within a second", async () => {
  const { mesh, state } = await start();
  await mesh.advance(1_500);
  state.isSynced = false;
  await mesh.advance(1_100);
  assert.equal(state.isSynced, true);
  await mesh.stop();
});

Deno.test("a scorer that stays away is named in the log every ten seconds, and holds no mark back", async () => {
  const { mesh, state, learn } = await start();
  state.away.add(1);
  await mesh.advance(25_000);
  const lines = mesh.telemetry.lines.filter(({ level }) => level === "warn");
  const scorers = lines.filter(({ message }) => message.startsWith("scorer/1 does not get"));
  assert.equal(scorers.length, 3);
  assert.ok(lines.length <= 6, lines.map(({ message }) => message).join("\n"));
  learn({ learnedThroughMs: 200 });
  await mesh.advance(30);
  assert.deepEqual(state.marks.at(-1), first(200));
  await mesh.stop();
});

Deno.test("a scorer that stands still holds back no mark, and no weights of another one", async () => {
  const { mesh, state, learn } = await start();
  state.still.add(1);
  for (let ms = 0; ms < 3 * BUDGET_MS; ms += 20) {
    learn({ learnedThroughMs: state.learnedThroughMs + 1, version: state.version + 1 });
    await mesh.advance(20);
    assert.deepEqual(state.marks.at(-1), first(state.learnedThroughMs));
    assert.equal(state.given[0].at(-1), state.version);
  }
  assert.ok(state.given[1].length <= 5, "it has one transfer at a time");
  state.still.clear();
  await mesh.advance(BUDGET_MS);
  assert.equal(state.given[1].at(-1), state.version);
  await mesh.stop();
});

Deno.test("a scorer that stood still gets the weights of the others while the trainers are away", async () => {
  const { mesh, state, learn } = await start();
  state.still.add(1);
  for (let i = 0; i < 3; i++) {
    learn({ learnedThroughMs: state.learnedThroughMs + 1, version: state.version + 1 });
    await mesh.advance(50);
  }
  assert.deepEqual([state.given[0].at(-1), state.given[1].at(-1)], [4, 2]);
  learn({ learnedThroughMs: state.learnedThroughMs + 1, weightsAway: true });
  state.still.clear();
  await mesh.advance(3 * BUDGET_MS);
  assert.equal(state.given[1].at(-1), 4);
  await mesh.stop();
});

Deno.test("sync that stops says nothing of scorers that have not answered", async () => {
  const { mesh, state, learn } = await start();
  state.still.add(1);
  learn({ learnedThroughMs: 101, version: 2 });
  await mesh.advance(50);
  await mesh.stop();
  const warnings = mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.deepEqual(warnings.map(({ message }) => message), []);
});
