/**
 * Properties of every model: exact gradients, and the same numbers in every engine. Each model of
 * the table runs against finite differences, ONNX Runtime and the reference evaluator.
 */
import assert from "node:assert/strict";
import {
  compileTraining,
  graphInputs,
  trainingNames,
} from "../../../../kernels/dense/training_graph.ts";
import { batchLoss } from "../../../../kernels/dense/losses.ts";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import { resolveShape, staticSize } from "../../../../kernels/dense/graph/shape.ts";
import type { InputValue } from "../../../../kernels/dense/graph/value.ts";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import { createInferenceSession } from "../../../../kernels/dense/inference_session.ts";
import type { DenseOptimizerOptions } from "../../../../kernels/dense/optimizers/options.ts";
import { type ModelOptions, normalizesBatches } from "../../../../kernels/dense/models/options.ts";
import { trainingPhase } from "../../../../kernels/dense/phases.ts";
import { checkGradients, type Feeds, numbers } from "../finite_differences.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel, EXAMPLES } from "./example_models.ts";

const ROWS = 3;

for (const [kind, options] of Object.entries(EXAMPLES)) {
  const model = exampleModel(options);

  Deno.test(`${kind}'s gradients equal finite differences`, () => {
    const g = new Graph();
    const inverseRows = g.input(trainingNames.inverseRows, [1, 1]);
    const logits = model.logits(g, graphInputs(g, model, trainingPhase(g, inverseRows)));
    const variables = [...g.learned, ...g.inputs.filter((input) => input !== inverseRows)];
    const loss = batchLoss(g, {
      logits,
      labels: g.input(trainingNames.labels, ["rows", model.sizes.tasks]),
      logSampleRate: g.input(trainingNames.logSampleRate, ["rows", 1]),
      inverseRows,
    }, model.tasks);
    const feeds: Feeds = {};
    for (const [index, { name, shape }] of [...g.inputs, ...g.parameters].entries()) {
      feeds[name] = numbers(staticSize(resolveShape(shape, { rows: ROWS })), index + 1);
    }
    feeds[trainingNames.inverseRows][0] = 1 / ROWS;
    checkGradients(g, g.reshape(loss, []), variables as InputValue[], feeds, { rows: ROWS });
  });

  Deno.test(`${kind} trains the same in ONNX Runtime and in the reference evaluator`, async () => {
    const optimizer: DenseOptimizerOptions = {
      kind: "adam",
      learningRate: 0.01,
      gradientClipNorm: 1,
    };
    const settings = { optimizer, threads: 1, seed: 7 } as const;
    const onnx = await createTrainingSession(model, { ...settings, provider: "cpu" });
    const reference = await createTrainingSession(model, { ...settings, provider: "reference" });
    for (const [index, rows] of [4, 9, 1].entries()) {
      const batch = exampleBatch(model, rows, index);
      const found = await onnx.step(batch), expected = await reference.step(batch);
      close([found.loss], [expected.loss], "loss");
      close(found.logits, expected.logits, "logits");
      for (const [name, gradient] of Object.entries(expected.gradients)) {
        close(found.gradients[name], gradient, name);
      }
    }
    const { parameters } = await onnx.weights();
    for (const [name, { data }] of Object.entries((await reference.weights()).parameters)) {
      close(parameters[name].data, data, name);
    }
    await onnx.close();
  });

  Deno.test(`${kind} serves the logits that its next training step starts from`, async () => {
    // Trained on one batch only, the running moments approach that batch's, up to the variance's n
    // / (n - 1).
    const steps = normalizesBatches(options) ? 200 : 1;
    const trainer = await createTrainingSession(model, {
      optimizer: { kind: "sgd", learningRate: normalizesBatches(options) ? 1e-9 : 0.1 },
      provider: "cpu",
      threads: 1,
      seed: 7,
    });
    const server = await createInferenceSession(model, { provider: "cpu", threads: 1, seed: 3 });
    const batch = exampleBatch(model, 5);
    for (let step = 0; step < steps; step++) await trainer.step(batch);
    const weights = await trainer.weights();
    for (const [name, { data }] of Object.entries(weights.parameters)) {
      if (name.includes("variance")) data.forEach((value, i) => data[i] = value * 4 / 5);
    }
    server.load(weights);
    assert.equal(server.version, steps);
    const served = await server.predict(batch);
    close(served, (await trainer.step(batch)).logits, "logits");
    await Promise.all([trainer.close(), server.close()]);
  });
}

Deno.test("widths that a model cannot use are refused with the reason", () => {
  const refused = (options: ModelOptions, reason: RegExp) =>
    assert.throws(() => exampleModel(options), reason);
  refused(
    { ...EXAMPLE_OPTIONS.dlrm, slotDims: [3, 3, 2, 3] },
    /slot 2 has width 2 and needs 3, or 0/,
  );
  refused({ ...EXAMPLE_OPTIONS.dcnV2, slotDims: [3, 3] }, /has 4 slots and 2 widths/);
  refused({ ...EXAMPLE_OPTIONS.dcnV2, slotDims: [0, 0, 0, 0] }, /No slot has an embedding/);
  refused(
    { ...EXAMPLE_OPTIONS.wideAndDeep, slotDims: [3, 3, 2, 3] },
    /slot 2 has width 2 and its candidate, slot 0, 3/,
  );
});

Deno.test("the batch size is the only symbolic dimension of a compiled step", () => {
  for (const options of Object.values(EXAMPLES)) {
    const compiled = compileTraining(exampleModel(options), { kind: "sgd", learningRate: 1 });
    const symbols = Object.values(compiled.outputs).flatMap(({ shape }) =>
      shape.filter((dim) => typeof dim === "string")
    );
    assert.deepEqual([...new Set(symbols)], ["rows"]);
  }
});

function close(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(found.length, expected.length, what);
  for (let i = 0; i < expected.length; i++) {
    const tolerance = 5e-5 * Math.max(0.1, Math.abs(expected[i]));
    assert(
      Math.abs(found[i] - expected[i]) <= tolerance,
      `${what}[${i}]: ${found[i]} ${expected[i]}`,
    );
  }
}
