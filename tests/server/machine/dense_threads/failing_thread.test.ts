/**
 * A thread of a shared step that crashes ends the session: every step that was asked for fails.
 */
import assert from "node:assert/strict";
import { ThreadedSession } from "../../../../server/machine/dense_threads/threaded_session.ts";
import { allocateBatch, type TrainingBatch } from "../../../../kernels/dense/training_batch.ts";
import {
  EXAMPLE_OPTIONS,
  exampleBatch,
  exampleModel,
} from "../../../kernels/dense/models/example_models.ts";

const options = EXAMPLE_OPTIONS.wideAndDeep;
const model = exampleModel(options);
const ROWS = 2_000;

/** A session of a leader and a helper, and their workers. */
async function openTwo(): Promise<{ session: ThreadedSession; workers: readonly Worker[] }> {
  const workers: Worker[] = [];
  const { Worker: Original } = globalThis;
  globalThis.Worker = class extends Original {
    constructor(entry: string | URL, settings?: WorkerOptions) {
      super(entry, settings);
      workers.push(this);
    }
  };
  try {
    const session = await ThreadedSession.open({
      model: options,
      modelSizes: model.sizes,
      session: {
        optimizer: { kind: "adam", learningRate: 0.01 },
        provider: "cpu",
        threads: 2,
        seed: 11,
        divergence: {},
      },
    });
    return { session, workers };
  } finally {
    globalThis.Worker = Original;
  }
}

function batchOf(seed: number): TrainingBatch {
  const { results } = allocateBatch(model, ROWS, (length) => new Float32Array(length));
  return { ...exampleBatch(model, ROWS, seed), results: results! };
}

for (const [thread, role] of ["leader", "helper"].entries()) {
  Deno.test(`when the ${role} crashes in the middle of a step, this step and the next one fail at once, and later ones too`, async () => {
    const { session, workers } = await openTwo();
    await session.step(batchOf(1));
    const steps = [session.step(batchOf(2)), session.step(batchOf(3))];
    workers[thread].dispatchEvent(new ErrorEvent("error", { message: "no memory" }));
    const crashed = /A thread of the dense step crashed: no memory/;
    for (const step of steps) await assert.rejects(step, crashed);
    await assert.rejects(session.step(batchOf(4)), crashed);
    await assert.rejects(session.checkpoint(), crashed);
    await session.close();
  });
}
