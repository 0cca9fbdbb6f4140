/**
 * Starts of a trainer that fail, or that find less than an earlier one has left.
 */
import assert from "node:assert/strict";
import { defineTrainer } from "../../../actors/trainer/definition.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

const DIM = 4;

Deno.test("a trainer whose start fails leaves no subscription and no session behind", async () => {
  let subscriptions = 0, sessions = 0, starts = 0;
  const exampleLog = altered<EventLog>(new MemoryEventLog({ name: "examples", partitions: 1 }), {
    onAppended: () => {
      subscriptions++;
      return () => void subscriptions--;
    },
  });
  const model = createModel(
    { kind: "deepFm", embeddingDim: DIM, hidden: [8] },
    { slots: 1, denseWidth: 0, tasks: 1 },
  );
  const definition = defineTrainer({
    exampleLog,
    blobs: new MemoryBlobStore(),
    createSession: async () => {
      const session = await createTrainingSession(model, {
        optimizer: { kind: "sgd", learningRate: 0.05 },
        provider: "reference",
        threads: 1,
        seed: 5,
      });
      starts++;
      sessions++;
      return altered(session, {
        close: () => {
          sessions--;
          return session.close();
        },
      });
    },
  });
  const mesh = new SimulatedMesh({ seed: 1 });
  const spawned = mesh.node().spawn(definition, 0, {
    source: "trainer/0",
    partition: 0,
    batchRows: 8,
    pipelined: false,
    chunksPerRead: 8,
    rowsWaitingMax: 64,
    shards: ["embedding_shard/0"], // not in the mesh
    shardBudgetMs: 50,
    shardAttemptsMax: 2,
    slots: 1,
    denseWidth: 0,
    tasks: 1,
    taskNames: ["clicked"],
    combiners: ["sum"],
    layout: {
      classes: [{
        slots: [],
        slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: DIM }],
      }],
      classOfColumn: [0],
    },
    validationBins: 16,
  });
  spawned.catch(() => {});
  await mesh.advance(60_000);
  assert.ok(starts > 0);
  assert.deepEqual([subscriptions, sessions], [0, 0]);
  await mesh.stop();
});

Deno.test("a trainer that finds no snapshot and a trimmed log says which rows are not learned again", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank("user", ["item"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(1_000);
  }
  const { offset } = await loop.trainerStatus();
  await loop.exampleLog.trim(0, offset - 2);
  const again = await loop.kill(2);
  await again.mesh.advance(1_000);
  const warnings = again.mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.match(
    warnings.map(({ message }) => message).join(),
    /trainer\/0 begins without a snapshot.*examples\/0 begins at offset/,
  );
  await loop.stop();
  await again.stop();
});
