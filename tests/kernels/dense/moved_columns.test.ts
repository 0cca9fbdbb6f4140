/**
 * Dense weights after slots, dense values or tasks were added, removed, reordered or renamed: a
 * checkpoint of one model is carried over to the changed model, and weights or logits are compared.
 */
import assert from "node:assert/strict";
import { carriedOver, checkpointDifferences } from "../../../kernels/dense/checkpoint.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import type { ModelOptions, ModelSizes } from "../../../kernels/dense/models/options.ts";
import {
  createTrainingSession,
  type TrainingBatch,
  type TrainingSession,
} from "../../../kernels/dense/training_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch } from "./models/example_models.ts";

const ROWS = 5;
const SLOTS = ["user", "item", "genre", "hour"],
  DENSE = ["price", "age"],
  TASKS = ["click", "like"];

/** @param numberOf Gives the slot number in a slot's ids. */
function modelOf(
  options: ModelOptions,
  { slots = SLOTS, dense = DENSE, tasks = TASKS } = {},
  numberOf = (name: string): number => SLOTS.indexOf(name) + 1,
): Model {
  const sizes: ModelSizes = {
    slots: slots.length,
    denseWidth: dense.length,
    tasks: tasks.length,
    names: { slots: slots.map((name) => ({ name, number: numberOf(name) })), dense, tasks },
  };
  const { attention: _, ...plain } = options;
  return createModel({ ...plain, tasks: tasks.map(() => ({ loss: "binaryCrossEntropy" })) }, sizes);
}

function open(model: Model): Promise<TrainingSession> {
  return createTrainingSession(model, {
    optimizer: { kind: "adam", learningRate: 0.05 },
    provider: "reference",
    threads: 1,
    seed: 11,
  });
}

/** A model's checkpoint after a few steps, and its logits of the next batch. */
async function trained(model: Model) {
  const session = await open(model);
  for (let i = 0; i < 3; i++) await session.step(exampleBatch(model, ROWS, i));
  const saved = await session.checkpoint();
  const { logits } = await session.step(exampleBatch(model, ROWS, 9));
  await session.close();
  return { saved, logits };
}

/**
 * Reorders the parts of each row, all `width` columns wide: part i of the result is part `from[i]`.
 */
function moved(
  values: Float32Array,
  from: readonly number[],
  width = 1,
): Float32Array<ArrayBuffer> {
  const rowWidth = from.length * width;
  return Float32Array.from(values, (_, i) => {
    const [row, column] = [Math.floor(i / rowWidth), i % rowWidth];
    return values[row * rowWidth + from[Math.floor(column / width)] * width + column % width];
  });
}

for (const [kind, options] of Object.entries(EXAMPLE_OPTIONS)) {
  Deno.test(`${kind} keeps the weights of reordered slots, dense values and tasks`, async () => {
    const model = modelOf(options);
    const { saved, logits } = await trained(model);
    const slots = [2, 0, 3, 1], dense = [1, 0], tasks = kind === "mmoe" ? [0, 1] : [1, 0];
    const after = modelOf(options, {
      slots: slots.map((i) => SLOTS[i]),
      dense: dense.map((i) => DENSE[i]),
      tasks: tasks.map((i) => TASKS[i]),
    });
    const session = await open(after);
    const initial = await session.checkpoint();
    const differences = checkpointDifferences(saved, initial);
    assert(differences.length > 0);
    for (const difference of differences) {
      assert.match(difference, /^(\w+) (\[[\d,]+\]) -> \2 \(another order/);
    }
    await session.restore(carriedOver(saved, initial));
    const batch = exampleBatch(model, ROWS, 9);
    const { embeddings, first_order } = batch.sparse;
    const movedBatch: TrainingBatch = {
      ...batch,
      sparse: {
        ...(embeddings && { embeddings: moved(embeddings, slots, 3) }),
        ...(first_order && { first_order: moved(first_order, slots) }),
      },
      dense: moved(batch.dense, dense),
      labels: moved(batch.labels, tasks),
    };
    const after9 = await session.step(movedBatch);
    for (const [i, logit] of moved(logits, tasks).entries()) {
      assert(Math.abs(after9.logits[i] - logit) < 1e-5, `${after9.logits[i]} is not ${logit}`);
    }
    await session.close();
  });
}

/** The rows of a weight matrix. */
const rowsOf = ({ shape, data }: { shape: readonly number[]; data: Float32Array }) =>
  Array.from({ length: shape[0] }, (_, row) => data.slice(row * shape[1], (row + 1) * shape[1]));

Deno.test("an added slot starts untrained, a removed slot is dropped, all others keep their weights", async () => {
  const { saved } = await trained(modelOf(EXAMPLE_OPTIONS.deepFm));
  const number = (name: string) => name === "mood" ? 9 : SLOTS.indexOf(name) + 1;
  const session = await open(
    modelOf(EXAMPLE_OPTIONS.deepFm, { slots: ["user", "mood", "genre", "hour"] }, number),
  );
  const [fresh, initial] = [await session.weights(), await session.checkpoint()];
  assert.deepEqual(checkpointDifferences(saved, initial), [
    "w0 [14,6] -> [14,6] (slot item removed, slot mood new)",
  ]);
  await session.restore(carriedOver(saved, initial));
  const before = await open(modelOf(EXAMPLE_OPTIONS.deepFm));
  await before.restore(saved);
  const [known, now] = [await before.weights(), await session.weights()];
  const [w0, w0Known, w0Fresh] = [now, known, fresh].map(({ parameters }) => rowsOf(parameters.w0));
  for (let row = 0; row < 14; row++) {
    const isMood = row >= 3 && row < 6;
    assert.deepEqual(w0[row], (isMood ? w0Fresh : w0Known)[row], `row ${row}`);
  }
  assert.deepEqual(now.parameters.w1, known.parameters.w1);
  await Promise.all([before.close(), session.close()]);
});

Deno.test("a renamed slot with its former slot number keeps its weights", async () => {
  const { saved } = await trained(modelOf(EXAMPLE_OPTIONS.dcnV2));
  const renamed = modelOf(
    EXAMPLE_OPTIONS.dcnV2,
    { slots: ["visitor", "item", "genre", "hour"] },
    (name) => name === "visitor" ? 1 : SLOTS.indexOf(name) + 1,
  );
  const session = await open(renamed);
  assert.deepEqual(checkpointDifferences(saved, await session.checkpoint()), []);
  await session.restore(saved);
  assert.deepEqual((await session.checkpoint()).vectors, saved.vectors);
  await session.close();
});

Deno.test("the weights of a slot whose embedding width changed start untrained", async () => {
  const { saved } = await trained(modelOf(EXAMPLE_OPTIONS.mmoe));
  const session = await open(modelOf({ ...EXAMPLE_OPTIONS.mmoe, slotDims: [3, 3, 2, 4] }));
  const initial = await session.checkpoint();
  const [first] = checkpointDifferences(saved, initial);
  assert.equal(first, "expert0_w0 [14,5] -> [14,5] (slot genre resized, slot hour resized)");
  const fresh = await session.weights();
  await session.restore(carriedOver(saved, initial));
  const [now, untrained] = [await session.weights(), fresh].map(({ parameters }) =>
    rowsOf(parameters.expert0_w0)
  );
  for (let row = 0; row < 14; row++) {
    const isResized = row >= 6 && row < 12;
    if (isResized) assert.deepEqual(now[row], untrained[row]);
    else assert.notDeepEqual(now[row], untrained[row]);
  }
  await session.close();
});

Deno.test("a gate and the ends of a tower start untrained when their number now belongs to another task", async () => {
  const { saved } = await trained(modelOf(EXAMPLE_OPTIONS.mmoe));
  const session = await open(modelOf(EXAMPLE_OPTIONS.mmoe, { tasks: ["like", "click"] }));
  const [fresh, initial] = [await session.weights(), await session.checkpoint()];
  await session.restore(carriedOver(saved, initial));
  const { parameters } = await session.weights();
  for (const name of ["gate_w0", "gate_w1", "tower0_w0", "tower0_w1", "tower1_b1"]) {
    assert.deepEqual(parameters[name], fresh.parameters[name], name);
  }
  assert.notDeepEqual(parameters.expert0_w0, fresh.parameters.expert0_w0);
  await session.close();
});

Deno.test("an attention tower that compares other slots starts untrained", async () => {
  const attended = (slots: readonly string[]) => {
    const plain = modelOf(EXAMPLE_OPTIONS.wideAndDeep, { slots: [...slots] });
    return createModel(
      { ...plain.options, attention: EXAMPLE_OPTIONS.wideAndDeep.attention! },
      plain.sizes,
    );
  };
  const { saved } = await trained(attended(SLOTS));
  const session = await open(attended(["item", "user", "genre", "hour"]));
  const [fresh, initial] = [await session.weights(), await session.checkpoint()];
  assert(
    checkpointDifferences(saved, initial).includes(
      "attention2_w0 [12,4] -> [12,4] (slot genre with slot user removed, slot genre with slot item new)",
    ),
  );
  await session.restore(carriedOver(saved, initial));
  assert.deepEqual(
    (await session.weights()).parameters.attention2_w0,
    fresh.parameters.attention2_w0,
  );
  await session.close();
});
