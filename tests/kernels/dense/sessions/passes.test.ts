/**
 * Batches of more rows than one pass of the CPU takes, and batches in parts.
 */
import assert from "node:assert/strict";
import type { InferenceSession } from "onnxruntime-node";
import { onnxRuntime } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { PassesBackend } from "../../../../kernels/dense/sessions/passes_backend.ts";
import { allocateBatch, viewOfRows } from "../../../../kernels/dense/training_batch.ts";
import {
  createPartsSession,
  createTrainingSession,
  type TrainingSession,
} from "../../../../kernels/dense/training_session.ts";
import { compilePasses, compileTraining } from "../../../../kernels/dense/training_graph.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel } from "../models/example_models.ts";

const model = exampleModel(EXAMPLE_OPTIONS.deepFm);
const options = {
  optimizer: { kind: "adagrad", learningRate: 0.05 },
  threads: 1,
  seed: 3,
} as const;
/** Passes of 1,024 rows: three, one, one and a row, one that is full. */
const SIZES = [2_600, 40, 1_025, 1_024];

Deno.test("a batch in several passes gives what the reference gives in one", async () => {
  const [found, expected] = [
    await createTrainingSession(model, { ...options, provider: "cpu" }),
    await createTrainingSession(model, { ...options, provider: "reference" }),
  ];
  for (const [i, rows] of SIZES.entries()) {
    const step = await found.step(exampleBatch(model, rows, i));
    const wanted = await expected.step(exampleBatch(model, rows, i));
    assertClose([step.loss], [wanted.loss]);
    assertClose(step.logits, wanted.logits);
    for (const [name, gradient] of Object.entries(wanted.gradients)) {
      assertClose(step.gradients[name], gradient);
    }
  }
  await assertSameState(found, expected);
  await Promise.all([found.close(), expected.close()]);
});

Deno.test("a batch that compares the rows of lists gives in several passes, none of which cuts a list, what the reference gives in one", async () => {
  const ranked = exampleModel({
    ...EXAMPLE_OPTIONS.wideAndDeep,
    tasks: [{ loss: "binaryCrossEntropy", listWeight: 1 }],
  });
  const rows = 1_500;
  const batch = {
    ...exampleBatch(ranked, rows),
    // Row 1,024 is inside a list.
    lists: Float32Array.from({ length: rows }, (_, row) => row - row % 100),
  };
  const [found, expected] = [
    await createTrainingSession(ranked, { ...options, provider: "cpu" }),
    await createTrainingSession(ranked, { ...options, provider: "reference" }),
  ];
  const [step, wanted] = [await found.step(batch), await expected.step(batch)];
  assertClose([step.loss], [wanted.loss]);
  for (const [name, gradient] of Object.entries(wanted.gradients)) {
    assertClose(step.gradients[name], gradient);
  }
  await assertSameState(found, expected);
  await Promise.all([found.close(), expected.close()]);
});

Deno.test("a step in parts gives what a step of the whole batch gives", async () => {
  const alone = await createTrainingSession(model, { ...options, provider: "cpu" });
  const shared = await createPartsSession(model, { ...options, provider: "cpu" });
  for (const [i, firstRows] of [[0, 100, 900], [0, 1], [0]].entries()) {
    const batch = exampleBatch(model, 1_000, i);
    const expected = await alone.step(batch);
    const gradients = shared.gradientsOfParts(firstRows.length);
    const losses: number[] = [];
    for (const [part, firstRow] of firstRows.entries()) {
      const rows = (firstRows[part + 1] ?? batch.rows) - firstRow;
      const results = allocateBatch(model, rows, (n) => new Float32Array(n)).results!;
      const view = viewOfRows(batch, firstRow, rows);
      const given = { ...view, results, share: { firstRow, rowsInAll: batch.rows } };
      losses.push((await shared.runPart(given, shared.nextStep, gradients[part])).loss);
      assertClose(results.logits, expected.logits.subarray(firstRow, firstRow + rows));
    }
    const { rows } = batch;
    const loss = await shared.endStep({ losses, rows, meanCount: 1 });
    assertClose([loss], [expected.loss]);
  }
  await assertSameState(shared, alone);
  assert.equal((await shared.weights()).version, 3);
  await Promise.all([alone.close(), shared.close()]);
});

Deno.test("a session that could not be opened is opened again when it is needed", async () => {
  const compiled = compileTraining(model, options.optimizer);
  let [attempts, released] = [0, 0];
  const session = { release: () => Promise.resolve(released++) } as unknown as InferenceSession;
  const backend = new PassesBackend({
    ort: await onnxRuntime(),
    open: () =>
      ++attempts === 1 ? Promise.reject(new Error("no memory")) : Promise.resolve(session),
    compiled,
    passes: compilePasses(compiled),
    rowsMax: 512,
  });
  await assert.rejects(backend.prepare(), /no memory/);
  await backend.prepare();
  await backend.prepare();
  assert.equal(attempts, 2, "one that was opened is kept");
  await backend.close();
  assert.equal(released, 1);
});

async function assertSameState(found: TrainingSession, expected: TrainingSession): Promise<void> {
  const { vectors } = await found.checkpoint();
  for (const [name, vector] of Object.entries((await expected.checkpoint()).vectors)) {
    assertClose(vectors[name], vector);
  }
}

function assertClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(found.length, expected.length);
  for (let i = 0; i < found.length; i++) {
    const tolerance = 1e-3 * Math.max(1e-3, Math.abs(expected[i]));
    assert.ok(Math.abs(found[i] - expected[i]) < tolerance, `${found[i]} for ${expected[i]}`);
  }
}
