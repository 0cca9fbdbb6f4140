/**
 * The memory derived for serving tables, against the kernel: row sizes are those that tables
 * report, and a serving table of the derived size holds every row of a full training table.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { servedRowBytes, trainedRowBytes } from "../../configuration/serving_memory.ts";
import { EmbeddingTable } from "../../kernels/embedding/embedding_table.ts";
import type { SparseOptimizerOptions } from "../../kernels/embedding/options.ts";
import { ServingTable } from "../../kernels/embedding/serving_table.ts";

const learningRate = 0.1;
const initialAccumulator = 0.1;
const optimizers: readonly SparseOptimizerOptions[] = [
  { kind: "sgd", learningRate },
  { kind: "momentum", learningRate, momentum: 0.9 },
  { kind: "adagrad", learningRate, initialAccumulator },
  { kind: "rowwiseAdagrad", learningRate, initialAccumulator },
  { kind: "adadelta", learningRate, averagingRatio: 0.9, epsilon: 0.01 },
  { kind: "adam", learningRate, beta1: 0.9, beta2: 0.99, epsilon: 0.01 },
  { kind: "adam", learningRate, beta1: 0.9, beta2: 0.99, epsilon: 0.01, amsgrad: true },
  { kind: "rmsprop", learningRate, momentum: 0.9, version: 1 },
  { kind: "ftrl", learningRate, beta: 0, initialAccumulator, l1: 0, l2: 0 },
  { kind: "groupAdagrad", learningRate, beta: 0, initialAccumulator, l2: 0 },
];

for (const optimizer of optimizers) {
  const name = JSON.stringify(optimizer);
  Deno.test(`a trained row of ${name} has the size that the kernel reports`, () => {
    const slice = {
      name: "embeddings",
      dim: 5,
      initializer: { kind: "zeros" },
      optimizer,
    } as const;
    const table = EmbeddingTable.create({
      seed: 1,
      slices: [{ ...slice, name: "first_order", dim: 1 }, slice],
      slots: [],
      bytesMax: 2 ** 21,
      atLimit: "reject",
    });
    const row = [{ dim: 1, optimizer }, { dim: 5, optimizer }];
    assert.equal(trainedRowBytes(row), table.statistics().rowBytes);
  });
}

for (const precision of ["fp32", "fp16", "int8"] as const) {
  Deno.test(`a served row in ${precision} has the size that the kernel reports`, () => {
    for (const width of [1, 3, 16, 33]) {
      const table = ServingTable.create({ width, precision, bytesMax: 2 ** 21 });
      const row = [{ dim: width, optimizer: optimizers[0] }];
      assert.equal(servedRowBytes(row, precision), table.statistics().rowBytes, `${width}`);
    }
  });
}

for (const precision of ["fp32", "fp16", "int8"] as const) {
  for (const [dim, optimizer] of [[1, "sgd"], [16, "adagrad"]] as const) {
    Deno.test(`serving tables in ${precision} hold every row of full tables with ${optimizer}`, () => {
      const { embeddingShard, servingReplica } = parseConfiguration(
        `features: { slots: { user: { kind: id, source: user } } }
model: { kind: dcnV2, embeddingDim: ${dim} }
shards: { count: 1 }
embeddings:
  bytesMax: 8MiB
  atLimit: reject
  serving: { precision: ${precision} }
  slices: { embeddings: { optimizer: { kind: ${optimizer}, learningRate: 0.1 } } }`,
        "cairn.yaml",
      );
      const { seed, bytesMax, atLimit, classes: [{ slices, slots }] } = embeddingShard.tables;
      const trained = EmbeddingTable.create({ seed, bytesMax, atLimit, slices, slots });
      const batch = 10_000;
      for (let first = 0; trained.statistics().rejected === 0; first += batch) {
        const ids = BigUint64Array.from({ length: batch }, (_, i) => BigInt(first + i));
        const gradients = new Float32Array(batch * trained.width);
        trained.applyGradients(ids, gradients, new Uint32Array(batch).fill(1), 0);
      }
      const served = ServingTable.create({
        width: trained.width,
        precision,
        bytesMax: servingReplica.bytesMax,
      });
      let page = trained.reader.rows(0, batch);
      served.upsert(page.ids, page.rows);
      while (!page.done) {
        page = trained.reader.rows(page.cursor, batch);
        served.upsert(page.ids, page.rows);
      }
      assert.equal(served.statistics().rows, trained.statistics().rows);
    });
  }
}
