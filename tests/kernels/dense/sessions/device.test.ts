/**
 * Steps on graphics devices compared with the same steps on the CPU.
 */
import assert from "node:assert/strict";
import { createInferenceSession } from "../../../../kernels/dense/inference_session.ts";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel, EXAMPLES } from "../models/example_models.ts";
import { deviceAvailable } from "./device_available.ts";
import { leavesNoTrace } from "./leaves_no_trace.ts";

// cuBLAS reads this when it starts, which may be in another test file: it disables TF32, so that
// products have full float32 factors as on the CPU. `deno task test` sets it.
const isExactOnCuda = Deno.env.get("NVIDIA_TF32_OVERRIDE") === "0";
if (!isExactOnCuda) console.warn("Tests on cuda are skipped: NVIDIA_TF32_OVERRIDE=0 is not set");

for (const device of ["webgpu", "cuda"] as const) {
  const ignore = device === "cuda" && !isExactOnCuda || !await deviceAvailable(device);

  for (const [kind, options] of Object.entries(EXAMPLES)) {
    Deno.test({
      name: `${kind} on ${device} trains and serves as on the CPU`,
      ignore,
      fn: async () => {
        const model = exampleModel(options);
        const settings = {
          optimizer: { kind: "adagrad", learningRate: 0.05, gradientClipNorm: 1 },
          threads: 1,
          seed: 5,
        } as const;
        const gpu = await createTrainingSession(model, { ...settings, provider: device });
        const cpu = await createTrainingSession(model, { ...settings, provider: "cpu" });
        for (const [index, rows] of [4, 7, 4].entries()) {
          const batch = exampleBatch(model, rows, index);
          const found = await gpu.step(batch), expected = await cpu.step(batch);
          close([found.loss], [expected.loss]);
          close(found.logits, expected.logits);
          for (const [name, gradient] of Object.entries(expected.gradients)) {
            close(found.gradients[name], gradient);
          }
        }
        const weights = await gpu.weights();
        for (const [name, { data }] of Object.entries((await cpu.weights()).parameters)) {
          close(weights.parameters[name].data, data);
        }

        const batch = exampleBatch(model, 5);
        const served = await Promise.all([device, "cpu" as const].map(async (provider) => {
          const server = await createInferenceSession(model, { provider, threads: 1, seed: 0 });
          server.load(weights);
          const logits = await server.predict(batch);
          await server.close();
          return logits;
        }));
        close(served[0], served[1]);
        await Promise.all([gpu.close(), cpu.close()]);
      },
    });
  }

  Deno.test({
    name: `a restored session on ${device} continues with the same bits`,
    ignore,
    fn: async () => {
      const model = exampleModel(EXAMPLE_OPTIONS.deepFm);
      const optimizer = { kind: "adam", learningRate: 0.01 } as const;
      const open = () =>
        createTrainingSession(model, { optimizer, provider: device, threads: 1, seed: 5 });
      const first = await open(), second = await open();
      await first.step(exampleBatch(model, 4, 1));
      await second.restore(structuredClone(await first.checkpoint()));
      const batch = exampleBatch(model, 4, 2);
      const [a, b] = [await first.step(batch), await second.step(batch)];
      assert.deepEqual(a, b);
      assert.deepEqual(await first.checkpoint(), await second.checkpoint());
      await Promise.all([first.close(), second.close()]);
    },
  });

  // In this file, because two threads cannot use one WebGPU device.
  Deno.test({
    name: `a step refused on ${device} leaves no trace`,
    ignore,
    fn: () => {
      const optimizer = { kind: "adam", learningRate: 0.01 } as const;
      return leavesNoTrace({ ...EXAMPLE_OPTIONS.deepFm, dropout: 0.3 }, optimizer, device);
    },
  });
}

function close(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(found.length, expected.length);
  const largest = Array.from(expected).reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  for (let i = 0; i < expected.length; i++) {
    assert(Math.abs(found[i] - expected[i]) <= 1e-4 * Math.max(largest, 1e-3));
  }
}
