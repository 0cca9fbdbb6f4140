/**
 * Goal: each serving host has its own position and mark, and none waits for another. Method: row
 * feeds of two serving hosts over real shards' takers and real replicas, and scorers that answer by
 * a script.
 */
import assert from "node:assert/strict";
import { DeltaTakers } from "../../../actors/embedding_shard/delta_takers.ts";
import { DeltaStream } from "../../../actors/embedding_shard/delta_stream.ts";
import type {
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../../actors/embedding_shard/protocol.ts";
import { defineRowFeed } from "../../../actors/row_feed/definition.ts";
import type { RowFeedMessage } from "../../../actors/row_feed/protocol.ts";
import type { ChangeReplicas } from "../../../actors/scorer/protocol.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import type { ActorDefinition, Address } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { scripted } from "../scripted.ts";

const BUDGET = { budgetMs: 1_000 };
const HOSTS = [0, 1] as const;

/** A shard of which only the takers and the pages of a fill are there. */
class Shard {
  tables = tablesOf();
  incarnation = "first";
  shard = 0;
  isLoading = false;
  /** Pages of fills, and how long each takes, ms. */
  pages = 0;
  pageMs = 0;
  takes = 0;
  readonly definition: ActorDefinition<EmbeddingShardMessage, undefined> = {
    kind: "embedding_shard",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 30, periodMs: 60_000, backoffMs: 1, backoffMsMax: 1 },
    priorityOf: () => "read",
    create: (context) => {
      const { tables, incarnation } = this;
      const name = `${incarnation}/0`;
      const deltas = new DeltaStream(tables, { shard: this.shard, name, heldBytesMax: 2 ** 20 });
      const isLoading = () => this.isLoading;
      const takers = new DeltaTakers({ context, deltas, incarnation, isLoading });
      return {
        receive: (message) => {
          if (message.kind === "takeDeltas") {
            this.takes++;
            return takers.take(message);
          }
          if (message.kind === "learned") return takers.learned(message);
          if (message.kind === "takerWaited") return takers.waited(message.taker);
          if (message.kind !== "exportRows") throw new Error("crashes");
          this.pages++;
          const { position } = deltas;
          const page = tables.exportRows(message.cursor, message.rowsMax);
          const cursor = { ...page.cursor, moves: 0 };
          const answer = () => context.reply(message, { ...page, cursor, position });
          if (this.pageMs === 0) return answer();
          context.clock.schedule(this.pageMs, answer);
        },
      };
    },
  };

  learn(from: number, rows: number): void {
    const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(from + i));
    const starts = Uint32Array.of(0, rows);
    const gradients = new Float32Array(rows).fill(1);
    this.tables.applyGradients({ ids, starts }, gradients, new Uint32Array(rows).fill(1), 1);
  }
}

function tablesOf(): ClassTables {
  return ClassTables.create({
    seed: 1,
    bytesMax: 16 << 20,
    atLimit: "reject",
    classes: [{
      slices: [{
        name: "weights",
        dim: 1,
        initializer: { kind: "zeros" },
        optimizer: { kind: "sgd", learningRate: 1 },
      }],
      slots: [],
    }],
  });
}

async function start({ sharding = 0, rows = 0 } = {}) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const shard = new Shard();
  shard.learn(0, rows);
  /** Hosts whose scorers do not answer, and whose replicas take no marks. */
  const away = new Set<number>();
  /** By host, marks that its replica was told, 0 = none, and offers to its scorer. */
  const marks: number[][] = [[], []];
  const offers: ChangeReplicas[][] = [[], []];
  /** Hosts whose scorers go on with the replicas of sharding 0. */
  const refusing = new Set<number>();
  const replicaDefinition = (host: number): ReturnType<typeof defineServingReplica> => {
    const definition = defineServingReplica();
    return {
      ...definition,
      async create(context, options) {
        const behavior = await definition.create(context, options);
        return {
          receive(message) {
            if (message.kind === "setMark") {
              if (away.has(host)) return context.replyError(message, new Error("it is away"));
              marks[host].push(message.learnedThroughMs ?? 0);
            }
            return behavior.receive(message);
          },
        };
      },
    };
  };
  /** @param rowFeed Hears that it has started. */
  const startReplica = async (host: number, rowFeed: Address = `row_feed/${host}`) => {
    await mesh.settle(node.spawn(replicaDefinition(host), `0@${host}`, {
      shard: 0,
      rowFeed,
      widths: [1],
      precision: "fp32",
      bytesMax: 16 << 20,
    }));
  };
  await mesh.settle(node.spawn(shard.definition, 0, undefined));
  for (const host of HOSTS) {
    await mesh.settle(node.spawn(
      scripted("scorer", (message) => {
        if (away.has(host)) throw new Error(`host ${host} is away`);
        offers[host].push(message as ChangeReplicas);
        return { sharding: refusing.has(host) ? 0 : sharding };
      }),
      host,
      undefined,
    ));
    await startReplica(host);
    await mesh.settle(node.spawn(defineRowFeed(), host, {
      sharding,
      replicas: [{ shard: "embedding_shard/0", replica: `serving_replica/0@${host}` }],
      scorer: `scorer/${host}`,
      asked: [[`serving_replica/0@${host}`]],
      retryMs: 10,
      rowsMax: 64,
      budgetMs: 5_000,
    }));
  }
  const status = (host: number) =>
    mesh.settle(
      node.actorRef<RowFeedMessage>(`row_feed/${host}`).ask({ kind: "getStatus" }, BUDGET),
    );
  const replica = (host: number) =>
    mesh.settle(
      node.actorRef<ServingReplicaMessage>(`serving_replica/0@${host}`)
        .ask({ kind: "getStatistics" }, BUDGET),
    );
  const tell = (throughMs: number, incarnation = shard.incarnation) =>
    node.actorRef<EmbeddingShardMessage>("embedding_shard/0")
      .tell({ kind: "learned", throughMs, incarnation });
  const restart = async (incarnation: string) => {
    await mesh.settle(node.stopActor("embedding_shard/0", 0));
    shard.tables = tablesOf();
    shard.incarnation = incarnation;
    await mesh.settle(node.spawn(shard.definition, 0, undefined));
  };
  const last = () => marks.map((each) => each.at(-1));
  await mesh.advance(10);
  return {
    ...{ mesh, shard, away, marks, offers, refusing, status, replica, startReplica, tell, restart },
    last,
  };
}

Deno.test("each host gets changed rows with the mark that they are of", async () => {
  const { mesh, shard, replica, tell, last } = await start({ rows: 100 });
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [100, 100]);
  shard.learn(200, 150);
  tell(500);
  await mesh.advance(1);
  assert.deepEqual(last(), [500, 500]);
  for (const host of HOSTS) {
    const { rows, position } = await replica(host);
    assert.deepEqual([rows, position?.sequence], [250, 3], "64 rows a delta, at most");
  }
  await mesh.stop();
});

Deno.test("a replica that stands still holds back its own host alone", async () => {
  const { mesh, shard, replica, startReplica, tell, last } = await start();
  tell(100);
  await mesh.advance(1);
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  for (let i = 1; i <= 20; i++) {
    shard.learn(10 * i, 10);
    tell(100 + i);
    await mesh.advance(1);
    assert.equal(last()[0], 100 + i);
  }
  assert.equal(last()[1], 100);
  await startReplica(1);
  await mesh.advance(50);
  assert.deepEqual(last(), [120, 120]);
  assert.equal((await replica(1)).rows, 200);
  await mesh.stop();
});

Deno.test("a host that fills its replica holds back its own mark alone", async () => {
  const { mesh, shard, status, tell, last, replica, startReplica } = await start({ rows: 1_000 });
  tell(100);
  await mesh.advance(1);
  shard.pageMs = 100; // 16 pages
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  for (let i = 1; i <= 10; i++) {
    shard.learn(0, 10);
    tell(100 + i);
    await mesh.advance(100);
    assert.deepEqual(last(), [100 + i, 100]);
  }
  await mesh.advance(1_500);
  assert.deepEqual(last(), [110, 110]);
  assert.deepEqual([(await status(0)).gaps, (await status(1)).gaps], [0, 1]);
  assert.equal((await replica(1)).rows, 1_000);
  await mesh.stop();
});

Deno.test("a host goes on at the deltas since its fill began, after a fill of a minute", async () => {
  const { mesh, shard, tell, last, status, startReplica } = await start({ rows: 1_000 });
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  const { pages } = shard;
  shard.pageMs = 4_000; // 16 pages
  await startReplica(1);
  for (let i = 1; i <= 650; i++) {
    shard.learn(0, 10);
    tell(100 + i);
    await mesh.advance(100);
  }
  assert.deepEqual(last(), [750, 750]);
  assert.deepEqual([shard.pages - pages, (await status(1)).gaps], [16, 1], "one fill");
  await mesh.stop();
});

Deno.test("a host takes rows of a restarted shard only after its replica has given the mark back", async () => {
  const { mesh, shard, away, restart, replica, tell, last } = await start({ rows: 10 });
  tell(100);
  await mesh.advance(1);
  away.add(1);
  await restart("second");
  shard.learn(0, 5);
  await mesh.advance(50);
  assert.deepEqual(last(), [0, 100]);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [5, 10]);
  tell(40);
  await mesh.advance(50);
  assert.deepEqual(last(), [40, 100]);
  away.delete(1);
  await mesh.advance(50);
  assert.deepEqual(last(), [40, 40]);
  assert.equal((await replica(1)).rows, 5);
  await mesh.stop();
});

Deno.test("a mark of another incarnation of the shard is not taken", async () => {
  const { mesh, tell, last } = await start();
  tell(100, "before");
  await mesh.advance(2_000);
  assert.deepEqual(last(), [0, 0]);
  tell(100);
  await mesh.advance(1);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});

Deno.test("a mark is not given before a delta has all changes", async () => {
  const { mesh, shard, tell, marks, replica } = await start();
  shard.learn(0, 200);
  tell(100);
  await mesh.advance(1);
  assert.deepEqual([marks[0].at(-1), (await replica(0)).rows], [100, 200]);
  assert.equal((await replica(0)).position?.sequence, 4);
  await mesh.stop();
});

Deno.test("rows come within a second without a mark, and an idle host asks once a second", async () => {
  const { mesh, shard, replica, tell } = await start();
  tell(100);
  await mesh.advance(1);
  shard.learn(0, 10);
  await mesh.advance(1_000);
  assert.equal((await replica(0)).rows, 10);
  shard.takes = 0;
  await mesh.advance(10_000);
  assert.ok(shard.takes >= 18 && shard.takes <= 22, `${shard.takes} questions of two hosts`);
  await mesh.stop();
});

Deno.test("a replica is told its mark when it rises, and again when it has started", async () => {
  const { mesh, marks, startReplica, tell, last } = await start();
  tell(100);
  await mesh.advance(10);
  const told = marks[0].length;
  await mesh.advance(10_000);
  assert.equal(marks[0].length, told);
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(20);
  assert.equal(marks[0].length, told);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});

Deno.test("a replica that is filled because it has restarted gets its mark again, whether or not its start was heard of", async () => {
  const { mesh, shard, marks, startReplica, replica, tell } = await start({ rows: 10 });
  tell(100);
  await mesh.advance(10);
  const told = marks[1].length;
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1, "row_feed/7");
  shard.learn(10, 5);
  await mesh.advance(3_000);
  assert.equal((await replica(1)).rows, 15);
  assert.deepEqual(marks[1].slice(told), [100]);
  await mesh.stop();
});

Deno.test("a feed that restarts goes on at its replica's position, without a fill", async () => {
  const { mesh, shard, tell, last, replica } = await start({ rows: 100 });
  tell(100);
  await mesh.advance(1);
  const { pages } = shard;
  const node = mesh.node();
  await mesh.settle(node.stopActor("row_feed/0", 0));
  shard.learn(300, 10);
  tell(200);
  await mesh.advance(10);
  await mesh.settle(node.spawn(defineRowFeed(), 0, {
    sharding: 0,
    replicas: [{ shard: "embedding_shard/0", replica: "serving_replica/0@0" }],
    asked: [],
    ...{ scorer: "scorer/0" as const, retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  await mesh.advance(10);
  assert.deepEqual(last(), [200, 200]);
  assert.equal((await replica(0)).rows, 110);
  assert.equal(shard.pages, pages);
  await mesh.stop();
});

Deno.test("a replica with rows keeps them while its shard loads, an empty one begins without", async () => {
  const { mesh, shard, restart, replica, startReplica } = await start({ rows: 100 });
  shard.isLoading = true;
  await restart("second");
  await mesh.advance(500);
  assert.equal((await replica(0)).rows, 100);
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(10);
  assert.deepEqual([(await replica(1)).rows, (await replica(1)).position?.sequence], [0, 0]);
  shard.learn(0, 30);
  await mesh.advance(200);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [100, 30]);
  shard.isLoading = false;
  shard.learn(30, 30);
  await mesh.advance(1_100);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [60, 60]);
  await mesh.stop();
});

Deno.test("a replica that began empty in a load is filled, also by a feed that has restarted", async () => {
  const { mesh, shard, restart, replica, tell, last, startReplica } = await start();
  const node = mesh.node();
  shard.isLoading = true;
  await restart("second");
  shard.learn(0, 30);
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(200);
  assert.deepEqual([(await replica(1)).rows, (await replica(1)).position?.sequence], [0, 0]);
  await mesh.settle(node.stopActor("row_feed/1", 0));
  await mesh.settle(node.spawn(defineRowFeed(), 1, {
    sharding: 0,
    replicas: [{ shard: "embedding_shard/0", replica: "serving_replica/0@1" }],
    asked: [],
    ...{ scorer: "scorer/1" as const, retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  shard.isLoading = false;
  tell(100);
  await mesh.advance(2_000);
  assert.equal((await replica(1)).rows, 30);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});

Deno.test("a replica that begins empty beside its mark lowers it until the rows are there", async () => {
  const { mesh, shard, restart, replica, startReplica, tell, marks } = await start({ rows: 100 });
  await restart("second");
  shard.tables.deltas.take(0, 1); // as a load that ends before the first delta
  await mesh.settle(mesh.node().stopActor("embedding_shard/0", 0));
  shard.learn(0, 30);
  await mesh.settle(mesh.node().spawn(shard.definition, 0, undefined));
  await mesh.advance(20);
  tell(100);
  await mesh.advance(1);
  assert.equal(marks[1].at(-1), 100);
  const before = marks[1].length;
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(20);
  assert.deepEqual(marks[1].slice(before), [0, 100]);
  assert.equal((await replica(1)).rows, 30);
  await mesh.stop();
});

Deno.test("a scorer is offered the replicas that it is to ask when they have marks, soon again until it takes them", async () => {
  const { mesh, offers, refusing, tell } = await start({ sharding: 3 });
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
  const { mesh, offers, tell } = await start({ sharding: 3 });
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
  const { mesh, shard, status, tell } = await start();
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
  const { mesh, offers } = await start();
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
  const { mesh, away, tell } = await start();
  tell(100);
  await mesh.advance(1);
  away.add(1);
  await mesh.advance(25_000);
  const lines = mesh.telemetry.lines.filter(({ message }) => message.startsWith("scorer/1 does"));
  assert.equal(lines.length, 3);
  await mesh.stop();
});
