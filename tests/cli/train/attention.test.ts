/**
 * A list that shares the items' ids and is pooled by attention, from the configuration to what was
 * learned.
 */
import assert from "node:assert/strict";
import { labelledExamples } from "../../../offline/datasets/examples.ts";
import { ChunkBuilder, type Dataset } from "../../../offline/datasets/dataset.ts";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { exactAuc } from "../../../offline/evaluation/auc.ts";
import { TrainingPass } from "../../../offline/training/training_pass.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { datasetOf } from "../made_dataset.ts";

const configuration = parseConfiguration(
  `features:
  slots:
    item: { kind: id, source: item }
    recent: { kind: list, source: context, idsOf: item }
model:
  kind: wideAndDeep
  embeddingDim: 8
  hidden: [32]
  tasks: [known]
  optimizer: { kind: adam, learningRate: 0.005 }
  attention: [{ slot: recent, candidate: item, lengthMax: 3 }]
embeddings:
  slices:
    embeddings:
      initializer: { kind: uniform, low: -0.5, high: 0.5 }
      optimizer: { kind: adagrad, learningRate: 0.1, initialAccumulator: 0.001 }
joiner: { tasks: { known: [{ action: seen, valueAtLeast: 1, label: positive }] } }
trainer: { batchRows: 32 }`,
  "attention.yaml",
);

/** Positive where the candidate is one of three recent items, out of thirty. */
function madeDataset(rows: number): Dataset {
  const random = new SeededRandom(7).stream("attention");
  const item = () => `item ${Math.floor(30 * random.nextFloat())}`;
  const chunk = new ChunkBuilder();
  for (let row = 0; row < rows; row++) {
    const recent = [item(), item(), item()];
    const candidate = random.nextFloat() < 0.5 ? recent[row % 3] : item();
    chunk.add("", candidate, recent.includes(candidate) ? 1 : 0, row, { context: { recent } });
  }
  return datasetOf(chunk);
}

Deno.test("a model learns which list the candidate belongs to", async () => {
  const dataset = madeDataset(8000);
  const table = await readInteractions(dataset);
  await using pass = await TrainingPass.create(configuration);
  const extractor = new FeatureExtractor(configuration.features.schema, FeatureHasher.create());
  const options = { extractor, tasks: configuration.joiner.tasks };
  const training = labelledExamples(dataset, table, { ...options, to: 7000 });
  for (const batch of training.batches(32)) {
    await pass.train(batch);
  }
  await pass.publish();
  const scores: number[] = [];
  const labels: number[] = [];
  const heldBack = labelledExamples(dataset, table, { ...options, from: 7000 });
  for (const batch of heldBack.batches(32)) {
    scores.push(...await pass.score(batch));
    labels.push(...batch.labels);
  }
  const auc = exactAuc(scores, labels);
  assert.ok(auc > 0.9, `AUC ${auc}`);
});
