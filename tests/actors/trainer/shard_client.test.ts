import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { ShardClient } from "../../../actors/trainer/shard_client.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

const GRADIENTS = { gradients: Float32Array.of(1), partition: 0, sequence: 16, atMs: 0 };

const context = {
  clock: new VirtualClock(),
  telemetry: new TelemetryRecorder(),
  isCurrent: true,
  pause: () => Promise.resolve(),
};

Deno.test("gradients sent while a restart is noticed still name the incarnation that they are for", async () => {
  const shard = { incarnation: "first", gradientsFor: [] as string[] };
  const ask = (message: EmbeddingShardMessage) => {
    if (message.kind === "applyGradients") shard.gradientsFor.push(message.opening.incarnation);
    return Promise.resolve({ sequence: 8, incarnation: shard.incarnation, epoch: 1 });
  };
  const ref = { ask } as unknown as ActorRef<EmbeddingShardMessage>;
  const client = new ShardClient([ref], {
    partitions: [0],
    widths: [1],
    context,
    budgetMs: 100,
    attemptsMax: 2,
  });
  assert.deepEqual(await client.open(), new Map([[0, [8]]]));
  await client.check();
  shard.incarnation = "second";
  await assert.rejects(client.check(), { name: "ShardRestartedError" });
  const grouped = {
    uniqueIds: BigUint64Array.of(1n),
    groupStarts: Uint32Array.of(0, 1),
    counts: Uint32Array.of(1),
  };
  await client.applyGradients(grouped, GRADIENTS);
  assert.deepEqual(shard.gradientsFor, ["first"]);
});

Deno.test("gradients travel in the memory of looked-up rows, and a retry sends them whole", async () => {
  const rows = new Float32Array(4);
  const received: Float32Array[] = [];
  const ask = (message: EmbeddingShardMessage) => {
    if (message.kind === "openSource") {
      return Promise.resolve({ sequence: 0, incarnation: "first", epoch: 1 });
    }
    if (message.kind === "lookup") return Promise.resolve({ rows });
    if (message.kind !== "applyGradients") throw new Error(message.kind);
    received.push(message.gradients.slice());
    if (received.length > 1) return Promise.resolve({ applied: true });
    // The receiver owns the memory, and may write into it.
    assert.equal(message.gradients.buffer, rows.buffer);
    message.gradients.fill(-1);
    return Promise.reject(new Error("the answer was lost"));
  };
  const ref = { ask } as unknown as ActorRef<EmbeddingShardMessage>;
  const client = new ShardClient([ref], {
    partitions: [0],
    widths: [2],
    context,
    budgetMs: 100,
    attemptsMax: 2,
  });
  const grouped = {
    uniqueIds: BigUint64Array.of(1n, 2n),
    groupStarts: Uint32Array.of(0, 2),
    counts: Uint32Array.of(1, 1),
  };
  await client.open();
  client.giveBack(await client.lookup(grouped));
  const gradients = Float32Array.of(1, 2, 3, 4);
  await client.applyGradients(grouped, { ...GRADIENTS, gradients });
  assert.deepEqual(received.map((each) => [...each]), [[1, 2, 3, 4], [1, 2, 3, 4]]);
});

Deno.test("a shard that restarts while its streams are opened has all of them opened again", async () => {
  const opened: string[] = [];
  const ask = ({ source }: { readonly source: string }) => {
    const incarnation = opened.length < 1 ? "first" : "second";
    opened.push(`${source} ${incarnation}`);
    return Promise.resolve({ sequence: opened.length, incarnation, epoch: 1 });
  };
  const client = new ShardClient([{ ask } as unknown as ActorRef<EmbeddingShardMessage>], {
    partitions: [0, 1],
    widths: [1],
    context,
    budgetMs: 100,
    attemptsMax: 2,
  });
  assert.deepEqual(await client.open(), new Map([[0, [3]], [1, [4]]]));
  assert.deepEqual(client.incarnations, ["second"]);
  assert.deepEqual(opened.slice(0, 2), ["trainer/0 first", "trainer/1 second"]);
});

Deno.test("a shard that restarts at every attempt to open its streams is named", async () => {
  let asks = 0;
  const ask = () => Promise.resolve({ sequence: 0, incarnation: `number ${asks++}`, epoch: 1 });
  const client = new ShardClient([{ ask } as unknown as ActorRef<EmbeddingShardMessage>], {
    partitions: [0, 1],
    widths: [1],
    context,
    budgetMs: 100,
    attemptsMax: 2,
  });
  await assert.rejects(client.open(), { name: "ShardRestartedError" });
  assert.equal(asks, 4);
});

Deno.test("rows of another number than the looked-up ids' are asked for again", async () => {
  const answers = [new Float32Array(3), new Float32Array(4).fill(1)];
  const ask = (message: EmbeddingShardMessage) =>
    Promise.resolve(
      message.kind === "lookup"
        ? { rows: answers.shift() }
        : { sequence: 0, incarnation: "first", epoch: 1 },
    );
  const ref = { address: "embedding_shard/0", ask } as unknown as ActorRef<EmbeddingShardMessage>;
  const client = new ShardClient([ref], {
    partitions: [0],
    widths: [2],
    context,
    budgetMs: 100,
    attemptsMax: 2,
  });
  await client.open();
  const rows = await client.lookup({
    uniqueIds: BigUint64Array.of(1n, 2n),
    groupStarts: Uint32Array.of(0, 2),
    counts: Uint32Array.of(1, 1),
  });
  assert.deepEqual(rows, [Float32Array.of(1, 1, 1, 1)]);
});
