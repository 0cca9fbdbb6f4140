/**
 * A leader and helpers take a step together; which of them runs a part changes no bit.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Helper } from "../../../../server/machine/dense_threads/helper.ts";
import { Leader } from "../../../../server/machine/dense_threads/leader.ts";
import type {
  Part,
  SharedStep,
  StepNumber,
} from "../../../../server/machine/dense_threads/protocol.ts";
import {
  allocateBatch,
  type TrainingBatch,
  viewOfRows,
} from "../../../../kernels/dense/training_batch.ts";
import {
  createPartsSession,
  type TrainingCheckpoint,
} from "../../../../kernels/dense/training_session.ts";
import {
  EXAMPLE_OPTIONS,
  exampleBatch,
  exampleModel,
} from "../../../kernels/dense/models/example_models.ts";

const model = exampleModel({ ...EXAMPLE_OPTIONS.wideAndDeep, dropout: 0.2 });
const ROWS = 40, PARTS = 4;

/** A leader and helpers in this thread. */
class Threads {
  private constructor(
    readonly leader: Leader,
    readonly helpers: readonly Helper[],
    readonly checkpoint: () => Promise<TrainingCheckpoint>,
    readonly close: () => Promise<void>,
  ) {}

  static async open(helperCount: number): Promise<Threads> {
    const options = {
      optimizer: { kind: "adam", learningRate: 0.01 },
      provider: "cpu",
      threads: 1,
      seed: 5,
    } as const;
    const channels = Array.from({ length: helperCount }, () => new MessageChannel());
    const sessions = await Promise.all(
      Array.from({ length: helperCount + 1 }, () => createPartsSession(model, options)),
    );
    const [first, ...others] = sessions;
    return new Threads(
      new Leader(first, channels.map(({ port1 }) => port1)),
      others.map((session, i) => new Helper(session, channels[i].port2)),
      () => first.checkpoint(),
      async () => {
        for (const { port1, port2 } of channels) [port1, port2].forEach((port) => port.close());
        await Promise.all(sessions.map((session) => session.close()));
      },
    );
  }

  /** Takes a step whose part i runs in the thread `threads[i]`, 0 for the leader. */
  async step(
    step: StepNumber,
    batch: TrainingBatch,
    threads: readonly number[],
  ): Promise<{ loss: number; parts: TrainingBatch[] }> {
    const shared: SharedStep = {
      kind: "sharedStep",
      ...step,
      parts: threads.length,
      rows: batch.rows,
      meanCount: 1,
    };
    const loss = this.leader.sharedStep(shared);
    const runners = [this.leader, ...this.helpers];
    const parts = threads.map((thread, index) =>
      runners[thread].part(partOf(batch, step.number, index, threads.length))
    );
    const [ended, ...returned] = await Promise.allSettled([loss, ...parts]);
    if (ended.status === "rejected") throw ended.reason;
    return {
      loss: ended.value as number,
      parts: returned.map((part) => {
        assert.ok(part.status === "fulfilled");
        return part.value as TrainingBatch;
      }),
    };
  }
}

function partOf(batch: TrainingBatch, number: number, index: number, parts: number): Part {
  const rows = batch.rows / parts, firstRow = index * rows;
  const { results } = allocateBatch(model, rows, (length) => new Float32Array(length));
  const view = { ...viewOfRows(batch, firstRow, rows), results: results! };
  const share = { firstRow, rowsInAll: batch.rows };
  return { kind: "part", number, index, batch: view, rows, share };
}

Deno.test("whichever threads run the parts, losses, results, weights and state have the same bits", async () => {
  const dealings = fc.array(
    fc.array(fc.integer({ min: 0, max: 2 }), { minLength: PARTS, maxLength: PARTS }),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(dealings, async (dealings) => {
      const [shared, alone] = [await Threads.open(2), await Threads.open(0)];
      for (const [i, dealing] of dealings.entries()) {
        const number = { number: i + 1, waits: false, learningRateScale: 1 };
        const batch = exampleBatch(model, ROWS, i);
        const found = await shared.step(number, batch, dealing);
        const expected = await alone.step(number, batch, new Array<number>(PARTS).fill(0));
        assert.deepEqual(found, expected);
      }
      assert.deepEqual(await shared.checkpoint(), await alone.checkpoint());
      await Promise.all([shared.close(), alone.close()]);
    }),
    { numRuns: 15 },
  );
});

Deno.test("parts may arrive before their step begins, and whole batches between shared steps", async () => {
  const threads = await Threads.open(1);
  const batch = exampleBatch(model, ROWS, 1);
  const early = threads.helpers[0].part(partOf(batch, 2, 0, 2));
  const whole = threads.leader.step({
    kind: "step",
    number: 1,
    waits: false,
    learningRateScale: 1,
    batch: exampleBatch(model, 8, 2),
    rows: 8,
  });
  const shared = {
    kind: "sharedStep",
    number: 2,
    waits: true,
    learningRateScale: 1,
    parts: 2,
    rows: ROWS,
  } as const;
  const loss = threads.leader.sharedStep({ ...shared, meanCount: 1 });
  const late = threads.leader.part(partOf(batch, 2, 1, 2));
  assert.ok(Number.isFinite((await whole).loss));
  assert.ok(Number.isFinite(await loss));
  for (const part of await Promise.all([early, late])) {
    assert.ok(part.results!.logits.some((logit) => logit !== 0), "its results are written");
  }
  assert.equal((await threads.checkpoint()).step, 2);
  await threads.close();
});

Deno.test("a step that waits behind one that diverges fails, its parts return unrun, and the next one runs", async () => {
  const threads = await Threads.open(1);
  await threads.step(
    { number: 1, waits: false, learningRateScale: 1 },
    exampleBatch(model, ROWS, 1),
    [0, 1],
  );
  const before = await threads.checkpoint();
  const broken = exampleBatch(model, ROWS, 2);
  broken.dense[0] = NaN;
  const steps = [
    threads.step({ number: 2, waits: false, learningRateScale: 1 }, broken, [1, 0]),
    threads.step({ number: 3, waits: true, learningRateScale: 1 }, exampleBatch(model, ROWS, 3), [
      1,
      0,
    ]),
  ];
  for (const step of steps) await assert.rejects(step, { name: "DivergenceError" });
  const late = await threads.helpers[0].part(partOf(exampleBatch(model, ROWS, 3), 3, 2, 4));
  assert.ok(late.results!.logits.every((logit) => logit === 0), "it has not run");
  assert.deepEqual(await threads.checkpoint(), before);
  const next = { number: 4, waits: false, learningRateScale: 1 };
  await threads.step(next, exampleBatch(model, ROWS, 4), [1, 1, 0, 1]);
  assert.equal((await threads.checkpoint()).step, 2);
  await threads.close();
});

Deno.test("a part that cannot run fails with its step", async () => {
  const threads = await Threads.open(0);
  const batch = { ...exampleBatch(model, ROWS, 1), dense: new Float32Array(ROWS) };
  const shared = {
    kind: "sharedStep",
    number: 1,
    waits: false,
    learningRateScale: 1,
    parts: 1,
    rows: ROWS,
  } as const;
  const step = assert.rejects(
    threads.leader.sharedStep({ ...shared, meanCount: 1 }),
    /"dense" has 40 values/,
  );
  await assert.rejects(threads.leader.part(partOf(batch, 1, 0, 1)), /"dense" has 40 values/);
  await step;
  await threads.close();
});
