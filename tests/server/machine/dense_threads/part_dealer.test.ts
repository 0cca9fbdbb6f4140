/**
 * Parts go to the threads that are free, and their results come to the rows they belong to.
 */
import assert from "node:assert/strict";
import {
  PartDealer,
  type PartThread,
} from "../../../../server/machine/dense_threads/part_dealer.ts";
import type { Part, Question } from "../../../../server/machine/dense_threads/protocol.ts";
import { allocateBatch, type TrainingBatch } from "../../../../kernels/dense/training_batch.ts";
import { EXAMPLE_OPTIONS, exampleModel } from "../../../kernels/dense/models/example_models.ts";

const model = exampleModel(EXAMPLE_OPTIONS.logisticRegression);

/** A thread whose parts the test answers: the logits of a part become its labels. */
class FakeThread implements PartThread {
  readonly parts: Part[] = [];
  readonly #answers: PromiseWithResolvers<TrainingBatch>[] = [];

  ask(question: Question): Promise<never> {
    this.parts.push(question as Part);
    const answer = Promise.withResolvers<TrainingBatch>();
    this.#answers.push(answer);
    return answer.promise as Promise<never>;
  }

  /** Answers its oldest part, and lets the dealer deal the next one. */
  async answer(): Promise<void> {
    const part = this.parts.shift()!;
    part.batch.results!.logits.set(part.batch.labels);
    this.#answers.shift()!.resolve(part.batch);
    await settled();
  }

  async fail(error: Error): Promise<void> {
    this.#answers.shift()!.reject(error);
    await settled();
  }

  get indexes(): number[] {
    return this.parts.map(({ index }) => index);
  }
}

/** Lets promises that are resolved take effect. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function batchOf(rows: number): TrainingBatch {
  const batch = allocateBatch(model, rows, (length) => new Float32Array(length));
  batch.labels.forEach((_, row) => batch.labels[row] = row + 1);
  return batch;
}

Deno.test("the leader gets two parts ahead, a single helper one, and each another when it has run one", async () => {
  const [leader, helper] = [new FakeThread(), new FakeThread()];
  const dealer = new PartDealer(model, [leader, helper]);
  const batch = batchOf(10);
  const done = dealer.deal({ number: 1, batch, firstRows: [0, 2, 4, 6, 8] });
  assert.deepEqual([leader.indexes, helper.indexes], [[0, 2], [1]]);
  await leader.answer();
  assert.deepEqual([leader.indexes, helper.indexes], [[2, 3], [1]]);
  await leader.answer();
  assert.deepEqual([leader.indexes, helper.indexes], [[3, 4], [1]], "the helper is slow");
  const next = dealer.deal({ number: 2, batch: batchOf(4), firstRows: [0, 2] });
  await helper.answer();
  assert.deepEqual([helper.parts[0].number, helper.parts[0].index], [2, 0]);
  await leader.answer();
  await leader.answer();
  await done;
  assert.deepEqual(batch.results!.logits, batch.labels);
  await helper.answer();
  await leader.answer();
  await next;
});

Deno.test("a part says which rows of the batch it has", async () => {
  const thread = new FakeThread();
  const dealer = new PartDealer(model, [thread]);
  const done = dealer.deal({ number: 1, batch: batchOf(5), firstRows: [0, 3] });
  const shares = thread.parts.map(({ rows, share, batch }) => ({
    rows,
    share,
    labels: [...batch.labels.subarray(0, rows)],
  }));
  assert.deepEqual(shares, [
    { rows: 3, share: { firstRow: 0, rowsInAll: 5 }, labels: [1, 2, 3] },
    { rows: 2, share: { firstRow: 3, rowsInAll: 5 }, labels: [4, 5] },
  ]);
  await thread.answer();
  await thread.answer();
  await done;
});

Deno.test("parts of any size use the arrays of earlier parts", async () => {
  const thread = new FakeThread();
  const dealer = new PartDealer(model, [thread]);
  const arrays = new Set<TrainingBatch>();
  for (let number = 1; number <= 3; number++) {
    const done = dealer.deal({ number, batch: batchOf(12), firstRows: [0, 6, 10, 11] });
    for (let part = 0; part < 4; part++) {
      arrays.add(thread.parts[0].batch);
      await thread.answer();
    }
    await done;
  }
  assert.equal(arrays.size, 2, "as many as are with the thread at once");
});

Deno.test("of a step that is dropped no further part is dealt, and it is done when its parts are back", async () => {
  const thread = new FakeThread();
  const dealer = new PartDealer(model, [thread]);
  let isDone = false;
  const done = dealer.deal({ number: 1, batch: batchOf(8), firstRows: [0, 2, 4, 6] })
    .then(() => isDone = true);
  await thread.answer();
  dealer.drop(1);
  dealer.drop(7); // unknown
  await thread.answer();
  assert.equal(isDone, false);
  assert.deepEqual(thread.indexes, [2]);
  await thread.answer();
  await done;
  assert.deepEqual(thread.indexes, []);
});

Deno.test("a step fails with the thread that fails", async () => {
  const thread = new FakeThread();
  const dealer = new PartDealer(model, [thread]);
  const done = assert.rejects(
    dealer.deal({ number: 1, batch: batchOf(2), firstRows: [0, 1] }),
    /no memory/,
  );
  await thread.fail(new Error("no memory"));
  await done;
});

Deno.test("several helpers get two parts each ahead, since each has a core", () => {
  const threads = [new FakeThread(), new FakeThread(), new FakeThread()];
  const dealer = new PartDealer(model, threads);
  dealer.deal({ number: 1, batch: batchOf(8), firstRows: [0, 1, 2, 3, 4, 5, 6, 7] });
  assert.deepEqual(threads.map(({ indexes }) => indexes), [[0, 3], [1, 4], [2, 5]]);
});
