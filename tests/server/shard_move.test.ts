/**
 * Goal: a shard that moves between nodes while it learns ends with the bits of one that never
 * moved, its replica reloads nothing, and a move that fails changes nothing. Method: two sources
 * with rows of their own learn through the trainers' client while the shard moves; the same batches
 * go to tables that stay.
 */
import assert from "node:assert/strict";
import { defineShardCopy } from "../../actors/embedding_shard/copy_definition.ts";
import type { FinishCopy } from "../../actors/embedding_shard/copy_protocol.ts";
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { ShardSync } from "../../actors/parameter_sync/shard_sync.ts";
import { defineServingReplica } from "../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { ShardClient } from "../../actors/trainer/shard_client.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { defineNodeActor } from "../../mesh/runtime/node_actor.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { moveShard, type ShardMoveOptions } from "../../server/shard_move.ts";
import { batchOf, DIM, options, unmoved } from "./moving_shard.ts";

const SHARD = "embedding_shard/0";
const BUDGET = { budgetMs: 5_000 };

class World {
  readonly simulated: SimulatedMesh;
  readonly mesh: Mesh;
  readonly blobs = new MemoryBlobStore();
  readonly handled: string[] = [];
  readonly nodes: readonly Node[];
  readonly sync: ShardSync;
  readonly learned = [0, 0];
  stopped = false;

  constructor(seed: number) {
    this.simulated = new SimulatedMesh({ seed, linkLatencyMs: 1 });
    const names = ["main", "a", "b"];
    this.nodes = names.map((name) => this.simulated.node(name));
    for (const [i, left] of this.nodes.entries()) {
      for (const right of this.nodes.slice(i + 1)) this.simulated.link(left, right);
    }
    const { blobs } = this;
    const composition = () => {
      const moved = new MovedShards();
      const shard = defineEmbeddingShard({ blobs, moved });
      const observed: typeof shard = {
        ...shard,
        create: async (context, options) => {
          const behavior = await shard.create(context, options);
          return {
            receive: (message) => {
              this.handled.push(message.kind);
              return behavior.receive(message);
            },
            stop: () => behavior.stop?.(),
          };
        },
      };
      return { definitions: [observed, defineShardCopy(moved), defineServingReplica()] };
    };
    this.mesh = new Mesh({ home: this.nodes[0], composition: composition() });
    for (const node of this.nodes.slice(1)) {
      node.spawn(defineNodeActor(node, composition()), node.name, undefined);
    }
    this.sync = new ShardSync(
      this.mesh.actorRef<EmbeddingShardMessage>(SHARD),
      [this.mesh.actorRef<ServingReplicaMessage>("serving_replica/0")],
      { deltaRowsMax: 200, deltasPerRoundMax: 8, budgetMs: 1_000 },
    );
  }

  async start(): Promise<void> {
    await this.simulated.settle(this.mesh.start([
      { kind: "embedding_shard", key: "0", options, node: "a" },
      {
        kind: "serving_replica",
        key: "0",
        options: { shard: 0, widths: [DIM], precision: "fp32", bytesMax: 32 << 20 },
        node: "main",
      },
    ]));
    for (const node of this.nodes.slice(1)) {
      const placement = [[SHARD, "a"], ["serving_replica/0", "main"]] as const;
      node.setPlacement(placement);
    }
    const { incarnation } = await this.simulated.settle(
      this.mesh.actorRef<EmbeddingShardMessage>(SHARD).ask({ kind: "getIncarnation" }, BUDGET),
    );
    this.sync.follow(incarnation);
    this.#syncs();
  }

  async #syncs(): Promise<void> {
    while (!this.stopped) {
      await this.sync.round().catch(() => {});
      await this.simulated.clock.delay(15);
    }
  }

  /** Learns through the trainers' client, batch after batch, from one of the nodes. */
  async learn(source: number, batches: number, node: Node, pauseMs: number): Promise<void> {
    const shard = node.actorRef<EmbeddingShardMessage>(SHARD);
    const client = new ShardClient([shard], {
      source: `trainer/${source}`,
      widths: [DIM],
      budgetMs: 1_000,
      attemptsMax: 5,
    });
    const context = { ...node, isCurrent: true } as never;
    await client.open(context);
    for (let sequence = 1; sequence <= batches; sequence++) {
      const { grouped, ...batch } = batchOf(source, sequence);
      client.giveBack(await client.lookup(grouped));
      await client.applyGradients(grouped, batch);
      this.learned[source] = sequence;
      if (pauseMs > 0) await this.simulated.clock.delay(pauseMs);
    }
  }

  move(node: string, changes: ShardMoveOptions = {}) {
    const actor = { kind: "embedding_shard", key: "0", options, node };
    return moveShard(this.mesh, actor, { rowsMax: 100, behindRowsMax: 50, ...changes });
  }

  /** Digest, moment and counters of the shard, and its marks. */
  async state() {
    const shard = this.mesh.actorRef<EmbeddingShardMessage>(SHARD);
    const finish = { kind: "finishCopy", copy: "end", applied: [0], rowsMax: 1e5 } as const;
    await this.simulated.settle(shard.ask({ kind: "beginCopy", copy: "end" }, BUDGET));
    const { handover } = await this.simulated.settle(shard.ask<FinishCopy["kind"]>(finish, BUDGET));
    await this.simulated.settle(shard.ask({ kind: "abandonCopy", copy: "end" }, BUDGET));
    assert.ok(handover);
    return handover;
  }
}

Deno.test("a shard that moved while it learned has every bit of one that did not", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const world = new World(seed);
    await world.start();
    const { simulated } = world;
    // One trainer on the first owner's node, one elsewhere.
    const learning = Promise.all([
      world.learn(0, 600, world.nodes[1], 1 + seed % 3),
      world.learn(1, 200, world.nodes[0], 2),
    ]);
    const frozen: number[] = [];
    for (const node of ["b", "a", "b"]) {
      await simulated.advance(30);
      const moved = await simulated.settle(world.move(node));
      frozen.push(moved.frozenMs);
      assert.equal(world.mesh.nodeOf(SHARD), node);
    }
    assert.ok(world.learned[1] < 200, "it moved while it learned");
    await simulated.settle(learning);
    await simulated.advance(2_000);
    assert.deepEqual(world.learned, [600, 200]);
    const state = await world.state();
    assert.deepEqual(state.marks.toSorted(), [["trainer/0", 600], ["trainer/1", 200]]);
    assert.equal(state.moves, 4);
    // Each interleaving of the sources gives the same rows, as no id is of both.
    const still = unmoved([600, 200]);
    const [moved, other] = [state.end.digests, still.copySource().end().digests];
    assert.deepEqual(moved, other, `seed ${seed}`);
    assert.ok(moved[0].rows > 300);
    for (const frozenMs of frozen) assert.ok(frozenMs < 50, `${frozenMs} ms`);
    const shown = simulated.telemetry.samples("cairn_shard_frozen_ms", { outcome: "moved" });
    assert.ok(shown.length === 3 && shown.every((ms, i) => ms > 0 && ms <= frozen[i]));
    world.stopped = true;
    await simulated.advance(100);
    await simulated.stop();
  }
});

Deno.test("replicas continue the shard's deltas at the new owner and reload nothing", async () => {
  const world = new World(7);
  await world.start();
  const { simulated } = world;
  const learning = world.learn(0, 80, world.nodes[0], 3);
  await simulated.advance(60);
  const exportsBefore = world.handled.filter((kind) => kind === "exportRows").length;
  await simulated.settle(world.move("b"));
  await simulated.settle(world.move("a"));
  await simulated.settle(learning);
  await simulated.advance(2_000);
  const exportsAfter = world.handled.filter((kind) => kind === "exportRows").length;
  assert.equal(exportsAfter, exportsBefore, "no page of rows was read for a replica");
  const shard = world.mesh.actorRef<EmbeddingShardMessage>(SHARD);
  const replica = world.mesh.actorRef<ServingReplicaMessage>("serving_replica/0");
  const page = await simulated.settle(shard.ask({ kind: "exportRows", rowsMax: 1e5 }, BUDGET));
  const starts = Uint32Array.of(0, page.ids.length);
  const served = await simulated.settle(
    replica.ask({ kind: "lookup", ids: page.ids, starts }, BUDGET),
  );
  assert.deepEqual(served.rows, page.rows);
  const { rows } = await simulated.settle(replica.ask({ kind: "getStatistics" }, BUDGET));
  assert.equal(rows, page.ids.length);
  world.stopped = true;
  await simulated.advance(100);
  await simulated.stop();
});

Deno.test("a move that is not committed leaves the shard as it was, and what waited is applied", async () => {
  const world = new World(8);
  await world.start();
  const { simulated } = world;
  const learning = world.learn(0, 100, world.nodes[0], 1);
  await simulated.advance(40);
  const commit = async () => {
    await simulated.clock.delay(200);
    return false;
  };
  await assert.rejects(simulated.settle(world.move("b", { commit })), {
    name: "ShardMoveError",
    message: "embedding_shard/0 stays where it is: its move to b was given up, because the move " +
      "was not committed.",
  });
  assert.equal(world.mesh.nodeOf(SHARD), "a");
  await simulated.settle(learning);
  await simulated.advance(2_000);
  const still = unmoved([100]);
  assert.deepEqual((await world.state()).end.digests, still.copySource().end().digests);
  const afterwards = await simulated.settle(world.move("b"));
  assert.ok(afterwards.rows > 0, "it can move later");
  world.stopped = true;
  await simulated.advance(100);
  await simulated.stop();
});

Deno.test("a host forgets the copy of a move that was given up", async () => {
  const world = new World(10);
  await world.start();
  const { simulated, mesh } = world;
  await simulated.settle(world.learn(0, 20, world.nodes[0], 0));
  const shard = mesh.actorRef<EmbeddingShardMessage>(SHARD);
  const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  const commit = () => Promise.resolve(false);
  await assert.rejects(simulated.settle(world.move("b", { commit })), { name: "ShardMoveError" });
  // The owner goes on and is lost later: the shard is restored where the copy was.
  await simulated.settle(mesh.end(SHARD, 0));
  await simulated.settle(
    mesh.spawn({
      kind: "embedding_shard",
      key: "0",
      options: { ...options, tenure: 3 },
      node: "b",
    }),
  );
  for (const node of world.nodes) node.setPlacement([[SHARD, "b"]]);
  const restored = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  assert.notEqual(restored.incarnation, incarnation, "the shard is the copy that was given up");
  assert.deepEqual((await world.state()).marks, []);
  world.stopped = true;
  await simulated.advance(100);
  await simulated.stop();
});

Deno.test("an owner that crashes while it is frozen applies nothing until the move has ended", async () => {
  const world = new World(9);
  await world.start();
  const { simulated } = world;
  const learning = world.learn(0, 30, world.nodes[0], 0);
  await simulated.settle(learning);
  const shard = world.mesh.actorRef<EmbeddingShardMessage>(SHARD);
  const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  let waited = false;
  const commit = async () => {
    const badCursor = { class: 99, row: 0, moves: 0 };
    await shard.ask({ kind: "exportRows", rowsMax: 1, cursor: badCursor }, BUDGET).catch(() => {});
    await simulated.clock.delay(500);
    const opened = shard.ask({ kind: "openSource", source: "trainer/0" }, { budgetMs: 300 });
    await opened.catch(({ name }) => waited = name === "AskTimeoutError");
    return true;
  };
  await simulated.settle(world.move("b", { commit }));
  assert.ok(waited, "the restarted owner opened a source");
  const now = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  assert.equal(now.incarnation, incarnation, "the copy has the state from before the crash");
  assert.deepEqual((await world.state()).marks, [["trainer/0", 30]]);
  world.stopped = true;
  await simulated.advance(100);
  await simulated.stop();
});
