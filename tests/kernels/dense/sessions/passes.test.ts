/**
 * Batches of more rows than one pass of the CPU takes, alone and shared by model replicas.
 */
import assert from "node:assert/strict";
import type { InferenceSession } from "onnxruntime-node";
import { onnxRuntime } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import {
  PassesBackend,
  type ReplicaGroup,
} from "../../../../kernels/dense/sessions/passes_backend.ts";
import { type TrainingBatch, viewOfRows } from "../../../../kernels/dense/training_batch.ts";
import {
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

Deno.test("a batch that compares the rows of lists gives in several passes what the reference gives in one", async () => {
  const ranked = exampleModel({
    ...EXAMPLE_OPTIONS.wideAndDeep,
    tasks: [{ loss: "binaryCrossEntropy", listWeight: 1 }],
  });
  const rows = 1_500;
  const batch = {
    ...exampleBatch(ranked, rows),
    // No list of both passes.
    lists: Float32Array.from({ length: rows }, (_, row) => row < 1_024 ? row >> 3 : row >> 2),
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

Deno.test("replicas that share batches of several passes have equal bits, and what one session has alone", async () => {
  const alone = await createTrainingSession(model, { ...options, provider: "cpu" });
  const groups = replicaGroups(3);
  const replicas = await Promise.all(
    groups.map((group) =>
      createTrainingSession(model, { ...options, provider: "cpu", replicas: group })
    ),
  );
  for (const [i, rows] of [3_300, 2, 1_300].entries()) {
    const batch = exampleBatch(model, rows, i);
    const expected = await alone.step(batch);
    const losses = await Promise.all(
      replicas.map(async (session, r) => (await session.step(shareOf(batch, r, 3))).loss),
    );
    for (const loss of losses) {
      assertClose([loss], [expected.loss]);
      assert.equal(loss, losses[0]);
    }
  }
  const [first, ...others] = await Promise.all(replicas.map((session) => session.checkpoint()));
  for (const other of others) assert.deepEqual(other.vectors, first.vectors);
  await assertSameState(replicas[0], alone);
  await Promise.all([alone, ...replicas].map((session) => session.close()));
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

/** The rows of replica `r`; the last replicas may have none. */
function shareOf(batch: TrainingBatch, r: number, count: number): TrainingBatch {
  const each = Math.ceil(batch.rows / count);
  const firstRow = Math.min(batch.rows, r * each);
  const part = viewOfRows(batch, firstRow, Math.min(each, batch.rows - firstRow));
  return { ...part, share: { firstRow, rowsInAll: batch.rows, meanCount: 1 } };
}

/** Groups of one thread, whose replicas exchange copies as those of several threads do. */
function replicaGroups(count: number): ReplicaGroup[] {
  let waiting: { values: Float32Array<ArrayBuffer>; r: number }[] = [];
  let all = Promise.withResolvers<Float32Array<ArrayBuffer>[]>();
  return Array.from({ length: count }, (_, r) => ({
    count,
    async exchange(values) {
      waiting.push({ values: values.slice(), r });
      const round = all;
      if (waiting.length === count) {
        round.resolve(waiting.sort((a, b) => a.r - b.r).map(({ values }) => values));
        waiting = [];
        all = Promise.withResolvers();
      }
      return await round.promise;
    },
  }));
}

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
