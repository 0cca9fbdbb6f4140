import assert from "node:assert/strict";
import { exportTables } from "../../../cli/model/export/export_tables.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { openTrainingSession } from "../../../server/machine/dense_sessions.ts";
import { NO_JUDGEMENT } from "../../../records/trainer_state.ts";
import { writeTrainerParts } from "../../../actors/trainer/snapshot_cut.ts";
import { FORMAT, manifestName, type SnapshotManifest } from "../../../records/snapshot_manifest.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { onnxRuntime } from "../../../kernels/dense/sessions/onnx_runtime.ts";
import { DirectoryBlobStore } from "../../../mesh/adapters/embedded/directory_blob_store.ts";
import { runCaptured } from "../captured_command.ts";

const CONFIG = new URL("../../../examples/movies.yaml", import.meta.url).pathname;
const ROWS = 3;

const exportModel = (...args: string[]) => runCaptured("model", "export", ...args);

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A batch of the example's model: four slots, no dense values. */
function batch() {
  const embeddings = Float32Array.from({ length: ROWS * 4 * 16 }, (_, i) => Math.sin(i));
  const firstOrder = Float32Array.from({ length: ROWS * 4 }, (_, i) => Math.cos(i));
  return { rows: ROWS, sparse: { embeddings, first_order: firstOrder }, dense: new Float32Array() };
}

/** The newest snapshot as trainers and snapshotter write it, of weights after one step. */
async function writeSnapshot(dataFolder: string): Promise<Float32Array> {
  const session = await openTrainingSession(await loadConfiguration(CONFIG));
  const labels = Float32Array.of(1, 0, 1);
  await session.step({ ...batch(), labels, logSampleRate: new Float32Array(ROWS) });
  const blobs = new DirectoryBlobStore(`${dataFolder}/blobs`);
  const name = "snapshots/000000000000007";
  const cut = { source: "trainer/0", partition: 0, sequence: 3, offset: 1, learnedThroughMs: 7 };
  const state = { model: await session.checkpoint(), judgement: NO_JUDGEMENT };
  const blob = { blobs, kernel: BatchKernel.create(), name: `${name}/trainer/0` };
  const trainers = await writeTrainerParts(blob, [cut], state);
  const manifest: SnapshotManifest = {
    format: FORMAT,
    name,
    atMs: 7,
    trainers,
    shards: [],
  };
  await blobs.put(manifestName(name), new TextEncoder().encode(JSON.stringify(manifest)));
  const { logits } = await session.step({
    ...batch(),
    labels,
    logSampleRate: new Float32Array(ROWS),
  });
  await session.close();
  return logits;
}

async function logitsOf(file: string): Promise<Float32Array> {
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(await Deno.readFile(file));
  const { sparse } = batch();
  const { logits } = await session.run({
    embeddings: new ort.Tensor("float32", sparse.embeddings, [ROWS, 4 * 16]),
    first_order: new ort.Tensor("float32", sparse.first_order, [ROWS, 4]),
  });
  return logits.data as Float32Array;
}

Deno.test("an exported file scores in another runtime as the server that learned it does", async () => {
  await withFolder(async (folder) => {
    const learned = await writeSnapshot(folder);
    const { code, out, err } = await exportModel(
      `${folder}/m.onnx`,
      "-c",
      CONFIG,
      "--from",
      folder,
    );
    assert.equal(code, 0, err);
    assert.match(out, /deepFm, \d+ bytes, weights after 1 training step\n/);
    const logits = await logitsOf(`${folder}/m.onnx`);
    for (let row = 0; row < ROWS; row++) assert.ok(Math.abs(logits[row] - learned[row]) < 1e-5);

    const unnamed = await exportModel(`${folder}/untrained.onnx`, "-c", CONFIG);
    assert.match(unnamed.err, /weights are untrained: --from/);
    assert.doesNotMatch(err, /untrained/);
    const untrained = await logitsOf(`${folder}/untrained.onnx`);
    assert.ok(untrained.some((logit, row) => Math.abs(logit - learned[row]) > 1e-3));
  });
});

Deno.test("the training step is exported with its weights as inputs", async () => {
  await withFolder(async (folder) => {
    const { code, out } = await exportModel(`${folder}/step.onnx`, "-c", CONFIG, "--training");
    assert.equal(code, 0);
    assert.match(out, /weights are inputs/);
    const ort = await onnxRuntime();
    const step = await ort.InferenceSession.create(await Deno.readFile(`${folder}/step.onnx`));
    assert.ok(step.inputNames.includes("labels"));
    assert.ok(step.outputNames.includes("loss"));
  });
});

Deno.test("a folder without a snapshot, or with one of another model, is refused with what to do", async () => {
  await withFolder(async (folder) => {
    const empty = await exportModel(`${folder}/m.onnx`, "-c", CONFIG, "--from", folder);
    assert.equal(empty.code, 1);
    assert.match(empty.err, /holds no snapshot.*storage\.path/s);

    const typo = await exportModel(`${folder}/m.onnx`, "-c", CONFIG, "--from", `${folder}/typo`);
    assert.equal(typo.code, 1);
    assert.match(typo.err, /typo holds no snapshot/);
    assert.deepEqual(
      Array.from(Deno.readDirSync(folder)),
      [],
      "nothing is made in a mistyped path",
    );

    await writeSnapshot(folder);
    const other = await exportModel(
      `${folder}/m.onnx`,
      ...["-c", CONFIG, "--from", folder, "--set", "model.hidden=[8]"],
    );
    assert.equal(other.code, 1);
    assert.match(other.err, /Cannot export the weights of the newest snapshot/);
    assert.match(other.err, /because: /);
  });
});

Deno.test("each kind of model is exported from a configuration of another", async () => {
  await withFolder(async (folder) => {
    for (const kind of ["dcn-v2", "logisticRegression"]) {
      const file = `${folder}/${kind}.onnx`;
      const { code, out, err } = await exportModel(file, "-c", CONFIG, "--model", kind);
      assert.equal(code, 0, err);
      assert.match(out, /(dcnV2|logisticRegression), \d+ bytes, weights after 0 training steps/);
    }
  });
});

Deno.test("a model for a folder that is not there says what to do", async () => {
  await withFolder(async (folder) => {
    const { code, err } = await exportModel(`${folder}/missing/m.onnx`, "-c", CONFIG);
    assert.equal(code, 1);
    assert.match(err, /Cannot write the model to .*: its folder does not exist; make it first/);
    assert.doesNotMatch(err, /os error/);
  });
});

Deno.test("tables without a slice that the model reads are not exported, and the error names it", async () => {
  await withFolder(async (folder) => {
    await writeSnapshot(folder);
    const configuration = await loadConfiguration(CONFIG);
    const model = createModel(configuration.model, configuration.modelSizes);
    const other = {
      ...model,
      sparseInputs: [{ slice: "wide", dims: configuration.features.schema.slots.map(() => 3) }],
    };
    const blobs = new DirectoryBlobStore(`${folder}/blobs`);
    await assert.rejects(
      exportTables(folder, { ...configuration, shardCount: 0 }, other, { blobs, trainingSteps: 1 }),
      /The model needs the slice wide\[3\] of slot 0/,
    );
  });
});
