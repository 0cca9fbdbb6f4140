/**
 * The embedding rows of an exported model.
 */
import assert from "node:assert/strict";
import { exportTables } from "../../../cli/model/export/export_tables.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { ChunkBuilder } from "../../../offline/datasets/dataset.ts";
import { datasetExtractor, labelledExamples } from "../../../offline/datasets/examples.ts";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { TrainingPass } from "../../../offline/training/training_pass.ts";
import { datasetOf } from "../made_dataset.ts";
import { servedIn } from "../../configuration/served_precision.ts";

const ROWS = 8;
const HEADER_BYTES = 128;

/** The files of the rows that a model has after one batch, by name. */
async function exported(precision: string): Promise<Map<string, Uint8Array>> {
  const configuration = servedIn(precision);
  const chunk = new ChunkBuilder();
  for (let row = 0; row < ROWS; row++) {
    chunk.add(`user ${row}`, `item ${row}`, row % 2, row, undefined);
  }
  const dataset = datasetOf(chunk);
  const examples = labelledExamples(dataset, await readInteractions(dataset), {
    extractor: datasetExtractor(configuration.features.schema, dataset),
    tasks: configuration.joiner.tasks,
  });
  const blobs = new MemoryBlobStore();
  await using pass = await TrainingPass.create(configuration);
  for (const batch of examples.batches(ROWS)) await pass.train(batch);
  await pass.keep(blobs);
  const folder = await Deno.makeTempDir();
  try {
    const model = createModel(configuration.model, configuration.modelSizes);
    const { rows } = await exportTables(folder, configuration, model, { blobs, trainingSteps: 1 });
    assert.equal(rows, 2 * ROWS);
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => name.endsWith(".npy")).sort();
    return new Map(files.map((name) => [name, Deno.readFileSync(`${folder}/${name}`)]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const precision of ["fp16", "int8"]) {
  Deno.test(`rows that are served as ${precision} are exported as float32, exactly`, async () => {
    const exact = await exported("fp32");
    assert.ok((exact.get("class-0.rows.npy")?.length ?? 0) > HEADER_BYTES);
    assert.deepEqual(await exported(precision), exact);
  });
}
