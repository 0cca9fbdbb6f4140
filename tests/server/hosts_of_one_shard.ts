/**
 * Three hosts under virtual time, two of which pass a shard to and fro.
 */
import assert from "node:assert/strict";
import { defineShardCopy } from "../../actors/embedding_shard/copy_definition.ts";
import type { FinishCopy } from "../../actors/embedding_shard/copy_protocol.ts";
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { ReplicaFeed } from "../../actors/row_feed/replica_feed.ts";
import { defineServingReplica } from "../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { ShardClient } from "../../actors/trainer/shard_client.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import { type RecordStore, RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { PlacementAgent } from "../../server/placement_agent.ts";
import { descriptionOf, meshSettings } from "../mesh/placement/model.ts";
import { fixedSharding } from "./fixed_sharding.ts";
import { batchOf, DIM, options } from "./moving_shard.ts";

export const SHARD = "embedding_shard/0";
export const BUDGET = { budgetMs: 5_000 };
export const LEASE_MS = 4_000;
export const BATCHES = 2_000;
export const REPLICA = "serving_replica/0";

export class World {
  readonly simulated: SimulatedMesh;
  readonly coordination: Coordinator;
  readonly gone: string[] = [];
  readonly trainer: Node;
  /** Kinds of the messages that owners of the shard have handled. */
  readonly handled: string[] = [];
  /** The agents' meshes, by host. */
  readonly meshes = new Map<string, Mesh>();
  isStoreAway = false;
  /** An actor that follows the shard; a look at the mesh then tells all threads of it. */
  follower: `follower/${number}` | undefined;

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
      hostTtlMs: LEASE_MS,
      controlTtlMs: LEASE_MS,
    });
    this.trainer = simulated.node("trainer");
  }

  async start(): Promise<void> {
    const { simulated, coordination } = this;
    const blobs = new MemoryBlobStore();
    await simulated.settle(coordination.open(meshSettings({ shards: 1 })));
    const nodes = [simulated.node("a"), simulated.node("b"), this.trainer];
    for (const [i, left] of nodes.entries()) {
      for (const right of nodes.slice(i + 1)) simulated.link(left, right);
    }
    for (const home of nodes) {
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
            beginStop: () => behavior.beginStop?.(),
            stop: () => behavior.stop?.(),
          };
        },
      };
      const definitions = [observed, defineShardCopy(moved), defineServingReplica()];
      const part = { nodes: [home.name], retryMs: 100 };
      const mesh = new Mesh({ home, composition: { definitions }, part });
      await simulated.settle(mesh.start([]));
      this.meshes.set(home.name, mesh);
      const agent = new PlacementAgent({
        mesh,
        coordination,
        description: {
          ...descriptionOf({ host: home.name, incarnation: `${home.name}-1` }),
          roles: home === this.trainer ? ["trainer"] : ["shards"],
          capacityBytes: 1e9,
        },
        listedHosts: nodes.map(({ name }) => name),
        links: () => nodes.map(({ name: host }) => ({ host, isLinked: true })),
        sharding: fixedSharding(options),
        takeSnapshot: () => Promise.resolve(),
        homeOf: (host) => host,
        nodeOf: (host) => host,
        followersOf: () => this.follower === undefined ? [] : [this.follower],
        actorsOf: () => assert.fail("no partition is placed"),
        ttlMs: LEASE_MS,
        onGone: ({ message }) => this.gone.push(message),
      });
      await simulated.settle(agent.start());
    }
    await simulated.advance(LEASE_MS + 2_000);
  }

  async learn(source = 0, batches = BATCHES): Promise<void> {
    const { clock } = this.simulated;
    const pause = (ms: number) => clock.delay(ms);
    const client = new ShardClient([this.trainer.actorRef<EmbeddingShardMessage>(SHARD)], {
      partitions: [source],
      widths: [DIM],
      context: { ...this.trainer, isCurrent: true, pause } as never,
      budgetMs: 1_000,
      attemptsMax: 100,
    });
    await client.open();
    for (let sequence = 1; sequence <= batches; sequence++) {
      const { grouped, ...batch } = batchOf(source, sequence);
      client.giveBack(await client.lookup(grouped));
      await client.applyGradients(grouped, { ...batch, partition: source });
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

  /** Has the store refuse the reports of the target of a move, and, if told so, the controller. */
  refuseTarget(owner: string): { controllerToo(): void; end(): void } {
    const { coordination } = this;
    const place = coordination.place.bind(coordination);
    const away = () =>
      Promise.reject(new RecordStoreUnavailableError("the store", new Error("it is away")));
    let isControlled = true;
    coordination.place = (command) => {
      const isTaken = "host" in command.by ? command.by.host === owner : isControlled;
      return isTaken ? place(command) : away();
    };
    return {
      controllerToo: () => void (isControlled = false),
      end: () => void (coordination.place = place),
    };
  }

  /** A replica on the trainer's host, which is fed until `stop` is called. */
  async replica() {
    const { simulated } = this;
    const mesh = this.meshes.get("trainer");
    assert.ok(mesh);
    const replicaOptions = { shard: 0, widths: [DIM], precision: "fp32", bytesMax: 32 << 20 };
    await simulated.settle(
      mesh.spawn({ kind: "serving_replica", key: "0", options: replicaOptions, node: "trainer" }),
    );
    await simulated.settle(mesh.place([[REPLICA, "trainer"]]));
    const shard = this.trainer.actorRef<EmbeddingShardMessage>(SHARD);
    const replica = this.trainer.actorRef<ServingReplicaMessage>(REPLICA);
    const feed = new ReplicaFeed({
      shard,
      replica,
      taker: "row_feed/trainer",
      rowsMax: 200,
      budgetMs: 1_000,
    });
    let stopped = false;
    (async () => {
      while (!stopped) {
        shard.tell({ kind: "learned", throughMs: 0, incarnation: undefined });
        await feed.step().catch(() => {});
        await simulated.clock.delay(15);
      }
    })();
    return { replica, stop: () => stopped = true };
  }

  /** Advances until the shard is at rest at another host than `before`. */
  async hasLeft(before: string): Promise<void> {
    for (let i = 0; i < 100; i++) {
      await this.simulated.advance(200);
      const placement = (await this.coordination.read()).placements.get("shard/0");
      if (placement?.state === "active" && placement.owner.host !== before) return;
    }
    assert.fail(`the shard stays on ${before}`);
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
