/** Interactions become labelled examples by the mesh's own extractor and rules. */
import assert from "node:assert/strict";
import {
  concatenateBatches,
  datasetExtractor,
  labelledBatches,
} from "../../../cli/datasets/examples.ts";
import { readInteractions } from "../../../cli/datasets/interaction_table.ts";
import { openDataset } from "../../../cli/datasets/open_dataset.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";

const samples = new URL("./samples/", import.meta.url).pathname;
const movies = parseConfiguration(await Deno.readTextFile("examples/movies.yaml"), "movies.yaml");
const dataset = await openDataset({ kind: "movietweetings", path: `${samples}movietweetings` });
const table = await readInteractions(dataset);

function batches(batchRows: number, from?: number, to?: number) {
  return [
    ...labelledBatches(dataset, table, {
      extractor: datasetExtractor(movies.features.schema, dataset, 2 ** 16),
      tasks: movies.joiner.tasks,
      batchRows,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    }),
  ];
}

Deno.test("ratings from 8 on are positive, in the order of time", () => {
  const [batch] = batches(10);
  assert.deepEqual([...batch.labels], [0, 1, 1, 1]);
  assert.equal(batch.atMs, table.atMs[3]);
});

Deno.test("the size of the batches changes no example", () => {
  const [whole] = batches(10);
  const parts = batches(3);
  assert.deepEqual(parts.map(({ features }) => features.rows), [3, 1]);
  assert.deepEqual(concatenateBatches(parts.map(({ features }) => features)), whole.features);
  assert.deepEqual(parts.flatMap(({ labels }) => [...labels]), [...whole.labels]);
});

Deno.test("a range gives its rows alone", () => {
  const [whole] = batches(10);
  const [part] = batches(10, 1, 3);
  assert.deepEqual([...part.labels], [...whole.labels].slice(1, 3));
});

Deno.test("an example's features are those that serving makes for the same request", () => {
  const [batch] = batches(10);
  const extractor = new FeatureExtractor(movies.features.schema, FeatureHasher.create());
  const served = Array.from({ length: table.rows }, (_, row) =>
    extractor.extract({
      user: table.user(row),
      userAttributes: {},
      context: {},
      atMs: table.atMs[row],
      items: [{ id: table.item(row), fields: dataset.items.get(table.item(row))! }],
    }));
  assert.deepEqual(batch.features, concatenateBatches(served));
});
