/**
 * Checks emitted files with ONNX's own checker (Debian's python3-onnx), including full shape
 * inference.
 */
import assert from "node:assert/strict";
import { createInferenceSession, exportOnnx } from "../../../../kernels/dense/inference_session.ts";
import { encodeModel } from "../../../../kernels/dense/onnx/encode_model.ts";
import type { DenseOptimizerOptions } from "../../../../kernels/dense/optimizers/options.ts";
import { onnxRuntime } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { passModels, trainingModel } from "../../../../kernels/dense/sessions/training_model.ts";
import { compilePasses, compileTraining } from "../../../../kernels/dense/training_graph.ts";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel, EXAMPLES } from "../models/example_models.ts";

const PYTHON = "/usr/bin/python3";
const CHECK = `
import sys, onnx
for path in sys.argv[1:]:
    onnx.checker.check_model(onnx.load(path), full_check=True)
print(onnx.__version__)
`;

const optimizers: readonly DenseOptimizerOptions[] = [
  { kind: "sgd", learningRate: 1, weightDecay: 0.1 },
  { kind: "momentum", learningRate: 1, momentum: 0.9, nesterov: true },
  { kind: "adagrad", learningRate: 1 },
  { kind: "adam", learningRate: 1, gradientClipNorm: 1 },
  { kind: "adamW", learningRate: 1 },
];

const available = await checkerAvailable();

Deno.test({
  name:
    "every model under every optimizer passes ONNX's checker, training in one graph or several, and serving",
  ignore: !available,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const write = async (name: string, bytes: Uint8Array) => {
      await Deno.writeFile(`${folder}/${name}.onnx`, bytes);
      return `${folder}/${name}.onnx`;
    };
    const paths: string[] = [];
    for (const [name, options] of Object.entries(EXAMPLES)) {
      const model = exampleModel({ ...options, dropout: 0.1 } as typeof options);
      for (const optimizer of optimizers) {
        const compiled = compileTraining(model, optimizer);
        const graphs = {
          step: trainingModel(compiled),
          ...passModels(compiled, compilePasses(compiled)),
        };
        for (const [part, graph] of Object.entries(graphs)) {
          paths.push(await write(`${name} ${optimizer.kind} ${part}`, encodeModel(graph)));
        }
      }
      const trainer = await createTrainingSession(model, {
        optimizer: optimizers[0],
        provider: "reference",
        threads: 1,
        seed: 1,
      });
      paths.push(await write(name, exportOnnx(model, await trainer.weights())));
    }
    const { success, stderr } = await python([CHECK, ...paths]);
    assert(success, stderr);
    assert.equal(paths.length, Object.keys(EXAMPLES).length * (4 * optimizers.length + 1));
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("an exported file computes the served logits from its inputs alone", async () => {
  const model = exampleModel(EXAMPLE_OPTIONS.deepFm);
  const server = await createInferenceSession(model, { provider: "cpu", threads: 1, seed: 9 });
  const trainer = await createTrainingSession(model, {
    optimizer: optimizers[0],
    provider: "cpu",
    threads: 1,
    seed: 9,
  });
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(exportOnnx(model, await trainer.weights()));
  const batch = exampleBatch(model, 3);
  const { logits } = await session.run({
    embeddings: new ort.Tensor("float32", batch.sparse.embeddings, [3, 12]),
    first_order: new ort.Tensor("float32", batch.sparse.first_order, [3, 4]),
    dense: new ort.Tensor("float32", batch.dense, [3, 2]),
  });
  const served = await server.predict(batch);
  (logits.data as Float32Array).forEach((value, i) => assert(Math.abs(value - served[i]) < 1e-6));
  await Promise.all([server.close(), trainer.close(), session.release()]);
});

async function checkerAvailable(): Promise<boolean> {
  const { success } = await python(["import onnx.checker"]);
  if (!success) {
    console.warn(
      "The test with ONNX's checker is skipped: /usr/bin/python3 has no onnx (python3-onnx).",
    );
  }
  return success;
}

async function python([code, ...args]: string[]): Promise<{ success: boolean; stderr: string }> {
  try {
    const { success, stderr } = await new Deno.Command(PYTHON, { args: ["-c", code, ...args] })
      .output();
    return { success, stderr: new TextDecoder().decode(stderr) };
  } catch {
    return { success: false, stderr: `no ${PYTHON}` };
  }
}
