/**
 * Goal: a serving host that is away holds back its own freshness alone. Method: parameter sync over
 * a shard, a trainer and the replicas and scorers of two serving hosts that answer by a script.
 */
import assert from "node:assert/strict";
import { defineParameterSync } from "../../../actors/parameter_sync/definition.ts";
import type { ParameterSyncMessage } from "../../../actors/parameter_sync/protocol.ts";
import type { ChangeReplicas } from "../../../actors/scorer/protocol.ts";
import type { Dealing } from "../../../actors/trainer/protocol.ts";
import type { ActorDefinition, Message } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

/** An actor that answers each message by a function; an error is the answer too. */
function scripted(
  kind: string,
  answer: (message: Message) => unknown,
): ActorDefinition<Message, undefined> {
  return {
    kind,
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create: (context) => ({
      receive(message) {
        try {
          context.reply(message, answer(message) as never);
        } catch (error) {
          context.replyError(message, error as Error);
        }
      },
    }),
  };
}

const alone: Dealing = { number: 0, trainers: ["trainer/0"] };
const both: Dealing = { number: 1, trainers: ["trainer/0", "trainer/1"] };

async function start({ sharding = 0 } = {}) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const state = {
    learnedThroughMs: 100,
    incarnation: "first",
    lineage: "first/0",
    /** Serving hosts that do not answer. */
    away: new Set<number>(),
    /** The last mark that each scorer got. */
    marks: [NaN, NaN],
    /** Marks that the scorers got. */
    told: [0, 0],
    filled: [0, 0],
    /** Messages to the shard, the replicas and the scorers. */
    asked: 0,
    /** Questions for dense weights. */
    weightsAsked: 0,
    weightsLoaded: true,
    /** Questions for the status, and for an offer of weights, by trainer. */
    trainersAsked: [0, 0],
    offered: [0, 0],
    /** The acceptance mark of the second trainer. */
    learnedByOtherMs: 0,
    /** By trainer. */
    dealings: [alone, alone] as Dealing[],
    /** The sharding whose replicas each scorer uses. */
    served: [0, 0],
    offers: [] as ChangeReplicas[],
  };
  const position = () => ({ lineage: state.lineage, sequence: 0 });
  const requireHost = (host: number) => {
    if (state.away.has(host)) throw new Error(`host ${host} is away`);
  };
  await mesh.settle(node.spawn(
    scripted(
      "embedding_shard",
      ({ kind }) => {
        state.asked++;
        if (kind === "takeDelta") {
          return { position: position(), repeated: false, incarnation: state.incarnation };
        }
        return {
          class: 0,
          ids: { length: 0, byteLength: 0 },
          rows: new Float32Array(0),
          position: position(),
          done: true,
        };
      },
    ),
    0,
    undefined,
  ));
  for (const trainer of [0, 1]) {
    await mesh.settle(node.spawn(
      scripted(
        "trainer",
        ({ kind }) => {
          const { learnedThroughMs, incarnation, dealings } = state;
          if (kind === "getStatus") {
            state.trainersAsked[trainer]++;
            const dealing = dealings[trainer];
            const learned = trainer === 0 ? learnedThroughMs : state.learnedByOtherMs;
            return { learnedThroughMs: learned, incarnations: [incarnation], offsets: [], dealing };
          }
          if (kind === "offerWeights") {
            state.offered[trainer]++;
            throw new Error("offers nothing");
          }
          state.weightsAsked++;
          return { weights: { version: 1 } };
        },
      ),
      trainer,
      undefined,
    ));
  }
  for (const host of [0, 1]) {
    let held: unknown;
    await mesh.settle(node.spawn(
      scripted("serving_replica", (message) => {
        state.asked++;
        requireHost(host);
        if (message.kind === "getPosition") return { position: held };
        state.filled[host]++;
        held = (message as unknown as { position: unknown }).position;
      }),
      `0@${host}`,
      undefined,
    ));
    await mesh.settle(node.spawn(
      scripted("scorer", (message) => {
        state.asked++;
        requireHost(host);
        if (message.kind === "loadDenseWeights") {
          state.weightsLoaded = true;
          return { version: 1 };
        }
        if (message.kind === "changeReplicas") {
          const offer = message as ChangeReplicas;
          state.offers.push(offer);
          state.served[host] = offer.sharding;
          return { sharding: offer.sharding };
        }
        state.told[host]++;
        state.marks[host] = (message as unknown as { learnedThroughMs: number }).learnedThroughMs;
        const { weightsLoaded } = state;
        return { sharding: state.served[host], weightsLoaded, modelVersion: 1 };
      }),
      host,
      undefined,
    ));
  }
  await mesh.settle(node.spawn(defineParameterSync(), 0, {
    sharding,
    shards: ["embedding_shard/0"],
    replicas: [["serving_replica/0@0", "serving_replica/0@1"]],
    trainers: ["trainer/0"],
    scorers: ["scorer/0", "scorer/1"],
    rowsIntervalMs: 10,
    denseIntervalMs: 10,
    averageIntervalMs: 10,
    deltaRowsMax: 8,
    deltasPerRoundMax: 4,
    budgetMs: 100,
  }));
  const status = () =>
    mesh.settle(
      node.actorRef<ParameterSyncMessage>("parameter_sync/0")
        .ask({ kind: "getStatus" }, { budgetMs: 1_000 }),
    );
  await mesh.advance(100);
  return { mesh, state, status };
}

Deno.test("a serving host that is away holds back its own mark alone", async () => {
  const { mesh, state, status } = await start();
  assert.deepEqual(state.marks, [100, 100]);
  state.away.add(1);
  await mesh.advance(100);
  state.learnedThroughMs = 200;
  await mesh.advance(100);
  assert.deepEqual(state.marks, [200, 100]);
  assert.equal((await status()).learnedThroughMs, 100, "not all hosts serve more");
  state.away.delete(1);
  await mesh.advance(100);
  assert.deepEqual(state.marks, [200, 200]);
  await mesh.stop();
});

Deno.test("a host gets rows of a restarted shard only after its scorer has lowered the mark", async () => {
  const { mesh, state } = await start();
  const filled = [...state.filled];
  state.away.add(1);
  await mesh.advance(50);
  state.incarnation = "second";
  state.lineage = "second/0";
  state.learnedThroughMs = 50; // learned again from the snapshot
  await mesh.advance(200);
  assert.deepEqual(state.marks, [50, 100]);
  assert.deepEqual(state.filled, [filled[0] + 1, filled[1]]);
  state.away.delete(1);
  await mesh.advance(200);
  assert.deepEqual(state.marks, [50, 50]);
  assert.equal(state.filled[1], filled[1] + 1);
  await mesh.stop();
});

Deno.test("marks rise again when all trainers of a later dealing have told theirs", async () => {
  const { mesh, state } = await start();
  assert.deepEqual(state.marks, [100, 100]);
  assert.deepEqual(state.trainersAsked[1], 0);
  state.dealings[0] = both;
  state.learnedThroughMs = 300;
  await mesh.advance(100);
  assert.ok(state.trainersAsked[1] > 0, "the first trainer has named the second one");
  assert.deepEqual(state.marks, [100, 100], "the second trainer is of the earlier dealing");
  state.dealings[1] = both;
  state.learnedByOtherMs = 200;
  await mesh.advance(100);
  assert.deepEqual(state.marks, [200, 200], "the lower one of both counts");
  assert.ok(state.offered.every((count) => count > 5), "and both are averaged");
  await mesh.stop();
});

Deno.test("a trainer that a later dealing has not does not hold marks back, and is not averaged", async () => {
  const { mesh, state } = await start();
  state.dealings = [both, both];
  state.learnedThroughMs = 300;
  state.learnedByOtherMs = 250;
  await mesh.advance(100);
  assert.deepEqual(state.marks, [250, 250]);
  state.dealings[0] = { number: 2, trainers: ["trainer/0"] };
  await mesh.advance(50);
  assert.deepEqual(state.marks, [300, 300]);
  const before = [...state.trainersAsked];
  state.offered = [0, 0];
  await mesh.advance(1_000);
  assert.equal(state.trainersAsked[1], before[1]);
  assert.deepEqual(state.offered, [0, 0]);
  state.dealings = [{ ...both, number: 3 }, { ...both, number: 3 }];
  state.learnedThroughMs = state.learnedByOtherMs = 400;
  await mesh.advance(1_000);
  assert.deepEqual(state.marks, [400, 400]);
  assert.ok(state.offered[0] > 50 && state.offered[0] <= 101, "one series of rounds");
  await mesh.stop();
});

Deno.test("a scorer is told a mark that has risen, and otherwise once a second", async () => {
  const { mesh, state } = await start();
  const toldIn = async (ms: number) => {
    const before = [...state.told];
    await mesh.advance(ms);
    return state.told.map((told, host) => told - before[host]);
  };
  const [idle] = await toldIn(10_000);
  assert.ok(idle >= 9 && idle <= 11, `${idle} marks in 10 s`);
  for (let i = 0; i < 10; i++) {
    state.learnedThroughMs++;
    await mesh.advance(30);
    assert.deepEqual(state.marks, [state.learnedThroughMs, state.learnedThroughMs]);
  }
  await mesh.stop();
});

Deno.test("while no trainer learns, shards and serving hosts are asked once a second", async () => {
  const { mesh, state } = await start();
  await mesh.advance(1_000);
  state.asked = state.weightsAsked = 0;
  await mesh.advance(10_000);
  const parts = 5; // a shard, and a replica and a scorer on each host
  assert.ok(state.asked >= 9 * parts && state.asked <= 11 * parts, `${state.asked} messages`);
  assert.equal(state.weightsAsked, 0);
  state.learnedThroughMs++;
  await mesh.advance(30);
  assert.equal(state.weightsAsked, 1, "the weights are new where the trainer has learned");
  await mesh.stop();
});

Deno.test("a shard that has begun anew is found within a second, also where no trainer says so", async () => {
  const { mesh, state } = await start();
  await mesh.advance(1_500);
  const filled = [...state.filled];
  state.lineage = "first/1";
  await mesh.advance(1_100);
  assert.deepEqual(state.filled, filled.map((fills) => fills + 1));
  await mesh.stop();
});

Deno.test("a serving part that starts gets weights in the next round", async () => {
  const { mesh, state } = await start();
  await mesh.advance(1_500);
  state.weightsLoaded = false;
  mesh.node().actorRef<ParameterSyncMessage>("parameter_sync/0").tell({ kind: "servingStarted" });
  await mesh.advance(30);
  assert.equal(state.weightsLoaded, true);
  state.weightsLoaded = false; // and its message was lost
  await mesh.advance(1_100);
  assert.equal(state.weightsLoaded, true);
  await mesh.stop();
});

Deno.test("a host that stays away is named in the log every ten seconds, not every round", async () => {
  const { mesh, state } = await start();
  state.away.add(1);
  await mesh.advance(25_000);
  const lines = mesh.telemetry.lines.filter(({ level }) => level === "warn");
  const scorers = lines.filter(({ message }) => message.startsWith("scorer/1 does not get"));
  assert.equal(scorers.length, 3);
  assert.ok(lines.length <= 9, lines.map(({ message }) => message).join("\n"));
  await mesh.stop();
});

Deno.test("a host is offered the replicas of a later sharding when they have all rows, once", async () => {
  const { mesh, state } = await start({ sharding: 3 });
  await mesh.advance(2_000);
  assert.deepEqual(state.served, [3, 3]);
  const offer = (host: number) => ({
    kind: "changeReplicas",
    sharding: 3,
    replicas: [[`serving_replica/0@${host}`]],
    learnedThroughMs: 100,
  });
  const offers = state.offers.map(({ kind, sharding, replicas, learnedThroughMs }) => {
    return { kind, sharding, replicas, learnedThroughMs };
  });
  assert.deepEqual(offers, [offer(0), offer(1)]);
  await mesh.stop();
});

Deno.test("a host whose replicas lack rows is offered none of them, and the others are", async () => {
  const { mesh, state } = await start({ sharding: 3 });
  state.served = [0, 0];
  state.offers = [];
  state.away.add(1);
  state.incarnation = "second"; // the marks of the trainer hold for the shard's rows again
  state.lineage = "second/0";
  await mesh.advance(3_000);
  assert.deepEqual(state.served, [3, 0]);
  state.away.delete(1);
  await mesh.advance(3_000);
  assert.deepEqual(state.served, [3, 3]);
  await mesh.stop();
});
