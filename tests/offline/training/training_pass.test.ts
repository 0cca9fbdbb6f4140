/** Updates of rows that are not in the batch. */
import assert from "node:assert/strict";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { decodePart, readPart, type ShardHeader } from "../../../records/snapshot_parts.ts";
import { ChunkBuilder } from "../../../offline/datasets/dataset.ts";
import type { ExampleTable } from "../../../offline/datasets/example_table.ts";
import { datasetExtractor, labelledExamples } from "../../../offline/datasets/examples.ts";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { TrainingPass } from "../../../offline/training/training_pass.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { datasetOf } from "../../cli/made_dataset.ts";

/** Two classes of rows, whose optimizers leave a row without a gradient as it is. */
const configuration = parseConfiguration(
  `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item, embeddingDim: 2 }
model:
  kind: wideAndDeep
  embeddingDim: 4
  hidden: [8]
  tasks: [liked]
embeddings:
  slices:
    first_order:
      initializer: { kind: normal, stddev: 0.1 }
      optimizer: { kind: sgd, learningRate: 0.5 }
    embeddings:
      initializer: { kind: normal, stddev: 0.1 }
      optimizer: { kind: sgd, learningRate: 0.5 }
      learningRateSchedule: { decay: { kind: exponential, factor: 0.5, steps: 4 } }
joiner: { tasks: { liked: [{ action: seen, valueAtLeast: 1, label: positive }] } }
trainer: { batchRows: 16 }`,
  "rows.yaml",
);

async function examples(): Promise<ExampleTable> {
  const chunk = new ChunkBuilder();
  for (let row = 0; row < 160; row++) {
    const [user, item] = [row * 7 % 30, row * 11 % 40];
    chunk.add(`user ${user}`, `item ${item}`, (user + item) % 2, row, undefined);
  }
  const dataset = datasetOf(chunk);
  return labelledExamples(dataset, await readInteractions(dataset), {
    extractor: datasetExtractor(configuration.features.schema, dataset),
    tasks: configuration.joiner.tasks,
  });
}

Deno.test("rows that take a step without a gradient are part of their batch: no schedule runs faster for them", async () => {
  const training = await examples();
  const [whole] = training.batches(training.rows);
  const trained = async (movesAll: boolean) => {
    await using pass = await TrainingPass.create(configuration);
    if (movesAll) pass.moveAlways(training.features.ids);
    for (const batch of training.batches(16)) await pass.train(batch);
    const blobs = new MemoryBlobStore();
    await pass.keep(blobs);
    const [{ shards: [{ header }] }] = await readManifests(blobs);
    const { classes } = decodePart<ShardHeader>(
      await readPart(blobs, BatchKernel.create(), header),
    );
    await pass.publish();
    return {
      scores: await pass.score(whole),
      updates: classes.map(({ updates }) => updates),
      rows: pass.rows.count,
    };
  };
  const all = await trained(true);
  assert.deepEqual(all.updates, [10, 10], "batches that each table has learned from");
  assert.equal(all.rows, 70);
  assert.deepEqual(all, await trained(false));
});

Deno.test("scores are made of the rows in the precision of serving", async () => {
  const training = await examples();
  const [whole] = training.batches(training.rows);
  const scores = async (precision: "fp32" | "fp16" | "int8") => {
    const { servingReplica } = configuration;
    await using pass = await TrainingPass.create({
      ...configuration,
      servingReplica: { ...servingReplica, precision },
    });
    for (const batch of training.batches(16)) await pass.train(batch);
    await pass.publish();
    return await pass.score(whole);
  };
  const exact = await scores("fp32");
  const difference = async (precision: "fp16" | "int8") =>
    (await scores(precision)).reduce(
      (most, score, i) => Math.max(most, Math.abs(score - exact[i])),
      0,
    );
  const [halves, bytes] = [await difference("fp16"), await difference("int8")];
  assert.ok(halves > 0 && halves < bytes && bytes < 0.02, `${halves}, ${bytes}`);
});
