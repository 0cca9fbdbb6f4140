/**
 * Goal: a serving host that is away holds back its own freshness alone. Method: parameter sync over
 * a shard, a trainer and the replicas and scorers of two serving hosts that answer by a script.
 */
import assert from "node:assert/strict";
import { defineParameterSync } from "../../../actors/parameter_sync/definition.ts";
import type { ParameterSyncMessage } from "../../../actors/parameter_sync/protocol.ts";
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

async function start() {
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
  };
  const position = () => ({ lineage: state.lineage, sequence: 0 });
  const requireHost = (host: number) => {
    if (state.away.has(host)) throw new Error(`host ${host} is away`);
  };
  await mesh.settle(node.spawn(
    scripted(
      "embedding_shard",
      ({ kind }) =>
        kind === "takeDelta"
          ? { position: position(), repeated: false, incarnation: state.incarnation }
          : {
            class: 0,
            ids: { length: 0, byteLength: 0 },
            rows: new Float32Array(0),
            position: position(),
            done: true,
          },
    ),
    0,
    undefined,
  ));
  await mesh.settle(node.spawn(
    scripted(
      "trainer",
      ({ kind }) =>
        kind === "getStatus"
          ? { learnedThroughMs: state.learnedThroughMs, incarnations: [state.incarnation] }
          : { weights: { version: 1 } },
    ),
    0,
    undefined,
  ));
  for (const host of [0, 1]) {
    let held: unknown;
    await mesh.settle(node.spawn(
      scripted("serving_replica", (message) => {
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
        requireHost(host);
        if (message.kind === "loadDenseWeights") return { version: 1 };
        state.told[host]++;
        state.marks[host] = (message as unknown as { learnedThroughMs: number }).learnedThroughMs;
        return { weightsLoaded: true, modelVersion: 1 };
      }),
      host,
      undefined,
    ));
  }
  await mesh.settle(node.spawn(defineParameterSync(), 0, {
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

Deno.test("a round tells each scorer its mark once, and again only where the mark has risen", async () => {
  const { mesh, state } = await start();
  const toldIn = async (rounds: number) => {
    const before = [...state.told];
    await mesh.advance(10 * rounds);
    return state.told.map((told, host) => told - before[host]);
  };
  const [idle] = await toldIn(100);
  assert.ok(idle > 50 && idle <= 100, `${idle} marks in 100 rounds`);
  state.learnedThroughMs = 300;
  const [one, two] = await toldIn(100);
  assert.deepEqual([one, two], [idle + 1, idle + 1]);
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
