/**
 * Carrying one shard's rows to its replicas.
 */
import assert from "node:assert/strict";
import { ShardSync } from "../../../actors/parameter_sync/shard_sync.ts";
import type {
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";

const OPTIONS = { deltaRowsMax: 10, deltasPerRoundMax: 4, budgetMs: 100 };
const CHANGES = {
  ids: BigUint64Array.of(1n),
  rows: new Float32Array(1),
  tombstones: new BigUint64Array(0),
  checksum: 0,
};

/** The only page of an export without rows. */
function emptyPage(position: DeltaPosition) {
  const [ids, rows] = [new BigUint64Array(0), new Float32Array(0)];
  return { position, class: 0, ids, rows, done: true };
}

Deno.test("a replica is not filled from another incarnation of the shard than the followed one", async () => {
  const shard = {
    ask: ({ kind }: EmbeddingShardMessage) =>
      Promise.resolve(
        kind === "takeDelta"
          ? { position: { lineage: "first/1", sequence: 7 }, incarnation: "first" }
          : emptyPage({ lineage: "second/0", sequence: 0 }),
      ),
  } as unknown as ActorRef<EmbeddingShardMessage>;
  const asked: ServingReplicaMessage[] = [];
  const replica = {
    ask(message: ServingReplicaMessage) {
      asked.push(message);
      return Promise.resolve({ position: undefined });
    },
  } as unknown as ActorRef<ServingReplicaMessage>;
  const sync = new ShardSync(shard, [replica], OPTIONS);
  sync.follow("first");
  const { complete, failures } = await sync.round();
  assert.deepEqual(complete, [false]);
  assert.match(failures.get(0)!.message, /another lineage/);
  assert.deepEqual(asked.map(({ kind }) => kind), ["getPosition"]);
});

Deno.test("a delta that was given before does not complete a round: newer rows are in the next one", async () => {
  const position = (sequence: number) => ({ lineage: "first/1", sequence });
  const delta = (sequence: number) => ({ shard: 0, ...position(sequence), classes: [CHANGES] });
  const answers = [
    { delta: delta(1), position: position(1), repeated: true },
    { delta: delta(2), position: position(2), repeated: false },
  ];
  const shard = {
    ask: () => Promise.resolve({ incarnation: "first", ...answers.shift() }),
  } as unknown as ActorRef<EmbeddingShardMessage>;
  const applied: number[] = [];
  const replica = {
    ask(message: ServingReplicaMessage) {
      if (message.kind === "applyDelta") applied.push(message.delta.sequence);
      return Promise.resolve({ status: "applied" });
    },
  } as unknown as ActorRef<ServingReplicaMessage>;
  const sync = new ShardSync(shard, [replica], OPTIONS);
  sync.follow("first");
  const { complete } = await sync.round();
  assert.deepEqual(applied, [1, 2]);
  assert.deepEqual(complete, [true]);
});

Deno.test("a replica is filled where the first delta of another lineage comes before any check", async () => {
  const old = { lineage: "first/1", sequence: 7 };
  const first = { lineage: "second/1", sequence: 1 };
  const deltas = [
    { incarnation: "first", position: old, repeated: false },
    {
      incarnation: "second",
      position: first,
      repeated: false,
      delta: { shard: 0, ...first, classes: [CHANGES] },
    },
  ];
  const shard = {
    ask: ({ kind }: EmbeddingShardMessage) =>
      Promise.resolve(
        kind === "takeDelta" ? deltas.shift() : emptyPage(first),
      ),
  } as unknown as ActorRef<EmbeddingShardMessage>;
  const asked: string[] = [];
  const replica = {
    ask({ kind }: ServingReplicaMessage) {
      asked.push(kind);
      return Promise.resolve(kind === "getPosition" ? { position: old } : { status: "gap" });
    },
  } as unknown as ActorRef<ServingReplicaMessage>;
  const sync = new ShardSync(shard, [replica], OPTIONS);
  sync.follow("first");
  await sync.round();
  sync.follow("second");
  const { complete } = await sync.round();
  assert.deepEqual(asked, ["getPosition", "applyDelta", "loadRows"]);
  assert.deepEqual(complete, [true]);
});

Deno.test("where deltas bring all rows, an empty replica begins without rows and others are filled", async () => {
  const begun = { lineage: "first/1", sequence: 0 };
  const answers = [
    { position: begun, repeated: false, bringsAllRows: true },
    {
      position: { ...begun, sequence: 1 },
      repeated: false,
      delta: { shard: 0, ...begun, sequence: 1, classes: [CHANGES] },
    },
  ];
  const shard = {
    ask: ({ kind }: EmbeddingShardMessage) =>
      Promise.resolve(
        kind === "takeDelta" ? { incarnation: "first", ...answers.shift() } : emptyPage(begun),
      ),
  } as unknown as ActorRef<EmbeddingShardMessage>;
  const asked: string[][] = [[], []];
  const replicas = [undefined, { lineage: "before/1", sequence: 3 }].map((position, i) => ({
    ask(message: ServingReplicaMessage) {
      asked[i].push(message.kind);
      if (message.kind === "loadRows") assert.deepEqual(message.position, begun);
      return Promise.resolve(message.kind === "getPosition" ? { position } : { status: "applied" });
    },
  } as unknown as ActorRef<ServingReplicaMessage>));
  const sync = new ShardSync(shard, replicas, OPTIONS);
  sync.follow("first");
  const first = await sync.round();
  assert.deepEqual(first.complete, [false, false], "no replica has the rows yet");
  assert.deepEqual((await sync.round()).complete, [true, true]);
  const kinds = ["getPosition", "getPosition", "loadRows", "applyDelta"];
  assert.deepEqual(asked, [kinds, kinds]);
});
