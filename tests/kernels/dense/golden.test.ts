/**
 * Replays three steps of DeepFM with Adagrad, recorded from PyTorch, in every engine.
 */
import assert from "node:assert/strict";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import trace from "../../golden/deepfm_adagrad.json" with { type: "json" };

const floats = (tensor: { data: number[] }) => Float32Array.from(tensor.data);

function relativeError(found: ArrayLike<number>, expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i] - value))) / (largest + 1e-12);
}

for (const provider of ["cpu", "reference"] as const) {
  Deno.test(`three DeepFM steps on ${provider} match PyTorch's at 1e-4`, async () => {
    const sizes = { slots: trace.fields, denseWidth: trace.dense, tasks: 1 };
    const model = createModel({ kind: "deepFm", embeddingDim: trace.dim, hidden: [8, 4] }, sizes);
    const session = await createTrainingSession(model, {
      optimizer: { kind: "adagrad", learningRate: 0.05, initialAccumulator: 0.1 },
      provider,
      threads: 1,
      seed: 1,
    });
    const parameters = Object.fromEntries(
      Object.entries(trace.initial).map(([name, tensor]) =>
        [name, { shape: tensor.shape, data: floats(tensor) }] as const
      ),
    );
    await session.load({ version: 0, parameters });
    const { embeddings, first_order, dense, labels } = trace.inputs;
    const batch = {
      rows: trace.batch,
      sparse: { embeddings: floats(embeddings), first_order: floats(first_order) },
      dense: floats(dense),
      labels: floats(labels),
      logSampleRate: new Float32Array(trace.batch),
    };
    for (const expected of trace.steps) {
      const { loss, logits, gradients } = await session.step(batch);
      assert(Math.abs(loss - expected.loss) / expected.loss < 1e-4);
      assert(relativeError(logits, expected.logit.data) < 1e-4);
      assert(relativeError(gradients.embeddings, expected.grad_embeddings.data) < 1e-4);
      assert(relativeError(gradients.first_order, expected.grad_first_order.data) < 1e-4);
      const weights = await session.weights();
      for (const [name, tensor] of Object.entries(expected.params_after)) {
        assert(relativeError(weights.parameters[name].data, tensor.data) < 1e-4, name);
      }
    }
    await session.close();
  });
}
