/**
 * Goal: two hosts pass a shard to and fro while a trainer on a third one teaches it and the store
 * is away now and then, and lose no update and no bit. Method: three agents under virtual time,
 * with their records in memory; an absence of the store ends moves in any phase.
 */
import assert from "node:assert/strict";
import { defineShardCopy } from "../../actors/embedding_shard/copy_definition.ts";
import type { FinishCopy } from "../../actors/embedding_shard/copy_protocol.ts";
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { ShardClient } from "../../actors/trainer/shard_client.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import { type RecordStore, RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { PlacementAgent } from "../../server/placement_agent.ts";
import { batchOf, DIM, options, unmoved } from "./moving_shard.ts";

const SHARD = "embedding_shard/0";
const BUDGET = { budgetMs: 5_000 };
const LEASE_MS = 4_000;
const BATCHES = 2_000;

class World {
  readonly simulated: SimulatedMesh;
  readonly coordination: Coordinator;
  readonly gone: string[] = [];
  readonly trainer: Node;
  isStoreAway = false;

  constructor(seed: number) {
    const simulated = this.simulated = new SimulatedMesh({ seed, linkLatencyMs: 1 });
    const memory = new MemoryRecordStore(simulated.clock);
    const away = () =>
      Promise.reject(new RecordStoreUnavailableError("the store", new Error("it is away")));
    const store: RecordStore = {
      transact: (rule, options) => this.isStoreAway ? away() : memory.transact(rule, options),
      watch: (since, timeoutMs) => this.isStoreAway ? away() : memory.watch(since, timeoutMs),
      close: () => memory.close(),
    };
    this.coordination = new Coordinator({
      store,
      random: simulated.random,
      protocol: 1,
      hostTtlMs: LEASE_MS,
      controlTtlMs: LEASE_MS,
    });
    this.trainer = simulated.node("trainer");
  }

  async start(): Promise<void> {
    const { simulated, coordination } = this;
    const blobs = new MemoryBlobStore();
    const nodes = [simulated.node("a"), simulated.node("b"), this.trainer];
    for (const [i, left] of nodes.entries()) {
      for (const right of nodes.slice(i + 1)) simulated.link(left, right);
    }
    for (const home of nodes) {
      const moved = new MovedShards();
      const definitions = [defineEmbeddingShard({ blobs, moved }), defineShardCopy(moved)];
      const part = { nodes: [home.name], retryMs: 100 };
      const mesh = new Mesh({ home, composition: { definitions }, part });
      await simulated.settle(mesh.start([]));
      const agent = new PlacementAgent({
        mesh,
        coordination,
        settings: { shards: 1, eventPartitions: 0, examplePartitions: 0, schema: "s" },
        description: {
          host: home.name,
          incarnation: `${home.name}-1`,
          address: home.name,
          roles: home === this.trainer ? ["trainer"] : ["shards"],
          capacityBytes: 1e9,
          version: "1",
          protocols: [1, 1],
        },
        shard: options,
        nodeOf: (host) => host,
        ttlMs: LEASE_MS,
        onGone: ({ message }) => this.gone.push(message),
      });
      await simulated.settle(agent.start());
    }
    await simulated.advance(LEASE_MS + 2_000);
  }

  async learn(): Promise<void> {
    const { clock } = this.simulated;
    const client = new ShardClient([this.trainer.actorRef<EmbeddingShardMessage>(SHARD)], {
      source: "trainer/0",
      widths: [DIM],
      budgetMs: 1_000,
      attemptsMax: 100,
    });
    const pause = (ms: number) => clock.delay(ms);
    await client.open({ ...this.trainer, isCurrent: true, pause } as never);
    for (let sequence = 1; sequence <= BATCHES; sequence++) {
      const { grouped, ...batch } = batchOf(0, sequence);
      client.giveBack(await client.lookup(grouped));
      await client.applyGradients(grouped, batch);
      await clock.delay(5);
    }
  }

  /** Lets the shard leave its owner; the owner's name. */
  async drainOwner(): Promise<string> {
    const placement = (await this.coordination.read()).placements.get("shard/0");
    assert.ok(placement !== undefined && placement.state !== "unassigned");
    const { host } = placement.owner;
    await this.coordination.setHostState(host === "a" ? "b" : "a", "up");
    await this.coordination.setHostState(host, "draining");
    return host;
  }

  async handover() {
    const shard = this.trainer.actorRef<EmbeddingShardMessage>(SHARD);
    const finish = { kind: "finishCopy", copy: "end", applied: [0], rowsMax: 1e5 } as const;
    await this.simulated.settle(shard.ask({ kind: "beginCopy", copy: "end" }, BUDGET));
    const { handover } = await this.simulated.settle(
      shard.ask<FinishCopy["kind"]>(finish, BUDGET),
    );
    assert.ok(handover);
    return handover;
  }
}

Deno.test("hosts that pass a shard to and fro lose no bit while the store comes and goes", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World(seed);
    await world.start();
    const { simulated } = world;
    const random = simulated.random.stream("absences");
    const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
    const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
    const learning = world.learn();
    const owners: string[] = [];
    for (let i = 0; i < 10; i++) {
      owners.push(await world.drainOwner());
      await simulated.advance(random.nextFloat() * 400);
      world.isStoreAway = random.nextFloat() < 0.5;
      if (world.isStoreAway) await simulated.advance(random.nextFloat() * 9_000);
      world.isStoreAway = false;
      await simulated.advance(random.nextFloat() * 1_500);
    }
    await simulated.settle(learning, 600_000);
    await simulated.advance(10_000);
    assert.deepEqual(world.gone, [], `seed ${seed}`);
    assert.ok(owners.includes("a") && owners.includes("b"), `seed ${seed}: ${owners}`);
    const after = await world.handover();
    assert.equal(after.incarnation, incarnation, `seed ${seed}: the shard was restored`);
    assert.deepEqual(after.marks, [["trainer/0", BATCHES]]);
    assert.deepEqual(after.end.digests, unmoved([BATCHES]).copySource().end().digests);
  }
});
