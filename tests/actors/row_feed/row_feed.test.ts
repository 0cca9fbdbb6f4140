/**
 * Goal: a feed offers its scorer the replicas that it is to ask, and counts the rounds in which its
 * replicas got all rows.
 */
import assert from "node:assert/strict";
import type {
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../../actors/embedding_shard/protocol.ts";
import { defineRowFeed } from "../../../actors/row_feed/definition.ts";
import type { RowFeedMessage } from "../../../actors/row_feed/protocol.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { ActorDefinition } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { scripted } from "../scripted.ts";
import { BUDGET, HOSTS, Shard, startFeeds } from "./two_feeds.ts";

Deno.test("a scorer is offered the replicas that it is to ask when they have marks, soon again until it takes them", async () => {
  const { mesh, offers, refusing, tell } = await startFeeds({ sharding: 3 });
  refusing.add(1);
  await mesh.advance(3_000);
  assert.deepEqual(offers, [[], []]);
  tell(100);
  await mesh.advance(1_050);
  const [taken, refused] = offers.map(({ length }) => length);
  assert.equal(taken, 1);
  assert.ok(refused >= 9 && refused <= 11, `${refused} offers in a second`);
  refusing.delete(1);
  await mesh.advance(150);
  const before = offers[1].length;
  await mesh.advance(3_000);
  assert.equal(offers[1].length, before + 3);
  await mesh.stop();
});

Deno.test("a scorer that has taken its replicas is offered them once a second, and at its start", async () => {
  const { mesh, offers, tell } = await startFeeds({ sharding: 3 });
  tell(100);
  await mesh.advance(3_150);
  for (const host of HOSTS) {
    const { sharding, replicas } = offers[host][0];
    assert.deepEqual({ sharding, replicas }, {
      sharding: 3,
      replicas: [[`serving_replica/0@${host}`]],
    });
    assert.equal(offers[host].length, 4);
  }
  mesh.node().actorRef<RowFeedMessage>("row_feed/0")
    .tell({ kind: "servingStarted", part: "scorer/0" });
  await mesh.advance(1);
  assert.deepEqual(offers.map(({ length }) => length), [5, 4]);
  await mesh.stop();
});

Deno.test("rounds count when every replica has all rows of a moment after the round before", async () => {
  const { mesh, shard, status, tell } = await startFeeds();
  tell(1);
  await mesh.advance(1);
  const { roundsComplete: before } = await status(0);
  shard.learn(0, 100); // two deltas
  tell(2);
  await mesh.advance(1);
  assert.equal((await status(0)).roundsComplete, before + 1);
  await mesh.advance(500);
  assert.equal((await status(0)).roundsComplete, before + 1);
  await mesh.advance(600);
  assert.equal((await status(0)).roundsComplete, before + 2, "a second without changes");
  await mesh.stop();
});

Deno.test("a feed asks nothing of a shard that no host has yet, and follows it once there is one", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const [edge, tables] = [mesh.node("edge"), mesh.node("tables")];
  mesh.link(edge, tables);
  const shard = new Shard();
  shard.learn(0, 10);
  const replica = { shard: 0, widths: [1], precision: "fp32", bytesMax: 1 << 20 } as const;
  await mesh.settle(edge.spawn(defineServingReplica(), 0, replica));
  await mesh.settle(edge.spawn(scripted("scorer", () => ({ sharding: 0 })), 0, undefined));
  const feed = await mesh.settle(edge.spawn(defineRowFeed(), 0, {
    sharding: 0,
    replicas: [{ shard: "embedding_shard/0", replica: "serving_replica/0" }],
    scorer: "scorer/0",
    asked: [["serving_replica/0"]],
    retryMs: 100,
    rowsMax: 1_000,
    ...BUDGET,
  }));
  await mesh.advance(20_000);
  assert.deepEqual(mesh.telemetry.lines, []);
  await mesh.settle(tables.spawn(shard.definition, 0, undefined));
  edge.setPlacement([["embedding_shard/0", "tables"]]);
  await mesh.advance(1_000);
  const rows = mesh.telemetry.value("cairn_replica_rows", { shard: "0" });
  const { sequences } = await mesh.settle(feed.ask({ kind: "getStatus" }, BUDGET));
  assert.deepEqual([rows, sequences.length, mesh.telemetry.lines], [10, 1, []]);
  await mesh.stop();
});

Deno.test("the fourth round after a removal has been without the row, the third may have it", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const shards = [new Shard(), new Shard()];
  /** Ends the wait of a replica that applies a delta. */
  let release: (() => void) | undefined;
  const served = new Set<bigint>();
  let isSlow = false;
  const replicas = shards.map((): ActorDefinition<ServingReplicaMessage, undefined> => {
    let position: DeltaPosition | undefined;
    return {
      kind: "serving_replica",
      mailbox: { capacity: 64, overflow: "reject" },
      restart: { restartsMax: 0, periodMs: 60_000, backoffMs: 1, backoffMsMax: 1 },
      priorityOf: () => "read",
      create: (context) => ({
        receive(message) {
          if (message.kind === "getPosition") return context.reply(message, { position });
          if (message.kind === "setMark") return context.reply(message, undefined);
          if (message.kind === "loadRows") {
            position = message.position;
            return context.reply(message, undefined);
          }
          if (message.kind !== "applyDelta") return;
          const { delta } = message;
          const apply = () => {
            position = delta;
            const [changes] = delta.classes;
            for (const id of changes?.ids ?? []) served.add(id);
            for (const id of changes?.tombstones ?? []) served.delete(id);
            context.reply(message, { status: "applied" });
          };
          if (isSlow && delta.shard === 0) release = apply;
          else apply();
        },
      }),
    };
  });
  await mesh.settle(node.spawn(scripted("scorer", () => ({ sharding: 0 })), 0, undefined));
  for (const index of [0, 1]) {
    shards[index].shard = index;
    await mesh.settle(node.spawn(shards[index].definition, index, undefined));
    await mesh.settle(node.spawn(replicas[index], index, undefined));
  }
  await mesh.settle(node.spawn(defineRowFeed(), 0, {
    sharding: 0,
    replicas: ([0, 1] as const).map((index) => ({
      shard: `embedding_shard/${index}` as const,
      replica: `serving_replica/${index}` as const,
    })),
    asked: [],
    ...{ scorer: "scorer/0" as const, retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  const refs = ([0, 1] as const).map((index) =>
    node.actorRef<EmbeddingShardMessage>(`embedding_shard/${index}`)
  );
  let mark = 0;
  /** Both shards are told a mark; the changes of one of them go into a delta. */
  const change = async (index: number, id: number) => {
    shards[index].learn(id, 1);
    refs[index].tell({ kind: "learned", throughMs: ++mark, incarnation: "first" });
    await mesh.advance(1);
  };
  const rounds = async () => {
    const feed = node.actorRef<RowFeedMessage>("row_feed/0");
    return (await mesh.settle(feed.ask({ kind: "getStatus" }, BUDGET))).roundsComplete;
  };
  await mesh.advance(1);
  for (const index of [0, 1, 0]) await change(index, 1); // a round, and half of the next one
  isSlow = true;
  await change(0, 2); // under way at the removal
  const { position } = await mesh.settle(refs[0].ask({
    ...{ kind: "takeDeltas", taker: "another host", position: undefined, rowsMax: 64 },
  }, BUDGET));
  const other = refs[0].ask(
    { kind: "takeDeltas", taker: "another host", position, learnedThroughMs: mark, rowsMax: 64 },
    { budgetMs: 5_000 },
  );
  await change(0, 7); // in a delta of before the removal
  await mesh.settle(other);
  shards[0].tables.remove({ ids: BigUint64Array.of(7n), starts: Uint32Array.of(0, 1) });
  const before = await rounds();
  await change(1, 1);
  for (let i = 0; i < 2; i++) {
    release?.();
    await mesh.advance(1);
    await change(1, 1);
  }
  isSlow = false;
  assert.deepEqual([await rounds() - before, served.has(7n)], [3, true]);
  await mesh.advance(1_100);
  await change(1, 1);
  assert.deepEqual([await rounds() - before >= 4, served.has(7n)], [true, false]);
  await mesh.stop();
});

Deno.test("a host without replicas holds up no erasure, and offers its scorer those of other hosts", async () => {
  const { mesh, offers } = await startFeeds();
  const node = mesh.node();
  await mesh.settle(node.stopActor("row_feed/1", 0));
  offers[1].length = 0;
  const asked = [["serving_replica/0@0", "serving_replica/0@2"]] as const;
  await mesh.settle(node.spawn(defineRowFeed(), 1, {
    ...{ sharding: 4, replicas: [], asked, scorer: "scorer/1" as const },
    ...{ retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  await mesh.advance(1);
  const { roundsComplete, learnedThroughMs, sequences } = await mesh.settle(
    node.actorRef<RowFeedMessage>("row_feed/1").ask({ kind: "getStatus" }, BUDGET),
  );
  assert.deepEqual([roundsComplete, learnedThroughMs, sequences], [Infinity, Infinity, []]);
  assert.deepEqual(offers[1].map(({ sharding, replicas }) => ({ sharding, replicas })), [
    { sharding: 4, replicas: asked },
  ]);
  await mesh.stop();
});

Deno.test("a host that stays away is named in the log every ten seconds", async () => {
  const { mesh, away, tell } = await startFeeds();
  tell(100);
  await mesh.advance(1);
  away.add(1);
  await mesh.advance(25_000);
  const lines = mesh.telemetry.lines.filter(({ message }) => message.startsWith("scorer/1 does"));
  assert.equal(lines.length, 3);
  await mesh.stop();
});
