/** Interactions become labelled examples by the mesh's own extractor and rules. */
import assert from "node:assert/strict";
import {
  concatenateBatches,
  ExampleTable,
  shuffledOrder,
} from "../../../offline/datasets/example_table.ts";
import {
  datasetExtractor,
  labelledExamples,
  readExamples,
} from "../../../offline/datasets/examples.ts";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { openDataset } from "../../../offline/datasets/open_dataset.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";

const samples = new URL("./samples/", import.meta.url).pathname;
const movies = parseConfiguration(await Deno.readTextFile("examples/movies.yaml"), "movies.yaml");
const dataset = await openDataset({ kind: "movietweetings", path: `${samples}movietweetings` });
const table = await readInteractions(dataset);

function examples(from?: number, to?: number) {
  return labelledExamples(dataset, table, {
    extractor: datasetExtractor(movies.features.schema, dataset, 2 ** 16),
    tasks: movies.joiner.tasks,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
}

const batches = (batchRows: number) => [...examples().batches(batchRows)];

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
  const part = examples(1, 3);
  assert.equal(part.rows, 2);
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

Deno.test("a batch in another order has the same examples in that order", () => {
  const all = examples();
  const alone = Array.from({ length: 4 }, (_, row) => [...examples(row, row + 1).batches(1)][0]);
  const order = Uint32Array.of(2, 0, 3, 1);
  const [first, second] = [...all.batches(3, order)];
  const expected = Array.from(order, (row) => alone[row]);
  assert.deepEqual(first.features, concatenateBatches(expected.slice(0, 3).map((b) => b.features)));
  assert.deepEqual([...first.labels], expected.slice(0, 3).flatMap(({ labels }) => [...labels]));
  assert.equal(first.atMs, table.atMs[3]);
  assert.deepEqual(second, expected[3]);
});

Deno.test("each epoch has an order of its own, with every row once", () => {
  const rows = 1000;
  const [one, again, two, otherSeed] = [
    shuffledOrder(rows, 1, 1),
    shuffledOrder(rows, 1, 1),
    shuffledOrder(rows, 1, 2),
    shuffledOrder(rows, 2, 1),
  ];
  assert.deepEqual(again, one);
  for (const other of [two, otherSeed]) {
    assert.notDeepEqual(other, one);
    assert.deepEqual(other.slice().sort(), Uint32Array.from({ length: rows }, (_, i) => i));
  }
  // The order of a row does not depend on its line in the file.
  const early = one.subarray(0, rows / 2).filter((row) => row < rows / 2).length;
  assert.ok(early > 200 && early < 300, `${early} of the first half stay in it`);
});

Deno.test("examples made chunk by chunk are those of the whole table, in the order of time", async () => {
  const rows: number[] = [];
  const read = await readExamples(dataset, {
    extractor: datasetExtractor(movies.features.schema, dataset),
    tasks: movies.joiner.tasks,
    onProgress: (count) => rows.push(count),
  });
  const whole = examples();
  assert.deepEqual(rows, [4]);
  assert.deepEqual([...read.batches(10)], [...whole.batches(10)]);
  assert.deepEqual(read.atMs, whole.atMs);
  const cut = [examples(2, 4), examples(0, 2)];
  assert.deepEqual([...ExampleTable.joined(cut).byTime().batches(10)], [...whole.batches(10)]);
  for (const [from, to] of [[0, 4], [1, 3], [2, 2], [3, 4]]) {
    const slice = whole.slice(from, to);
    assert.equal(slice.rows, to - from);
    assert.deepEqual([...slice.batches(10)], [...examples(from, to).batches(10)]);
  }
});
