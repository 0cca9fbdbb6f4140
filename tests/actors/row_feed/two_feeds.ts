/**
 * Row feeds of two serving hosts over a real shard's takers and real replicas, and scorers that
 * answer by a script.
 */
import { DeltaTakers } from "../../../actors/embedding_shard/delta_takers.ts";
import { DeltaStream } from "../../../actors/embedding_shard/delta_stream.ts";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { defineRowFeed } from "../../../actors/row_feed/definition.ts";
import type { RowFeedMessage } from "../../../actors/row_feed/protocol.ts";
import type { ChangeReplicas } from "../../../actors/scorer/protocol.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import type { ActorDefinition, Address } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { scripted } from "../scripted.ts";

export const BUDGET = { budgetMs: 1_000 };
/** The serving hosts. */
export const HOSTS = [0, 1] as const;

/** A shard of which only the takers and the pages of a fill are there. */
export class Shard {
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

/** The two feeds; `rows` are those of the shard when they begin. */
export async function startFeeds({ sharding = 0, rows = 0 } = {}) {
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
