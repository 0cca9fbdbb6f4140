/**
 * The choice of a device for a provider.
 */
import assert from "node:assert/strict";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import {
  createOnnxSession,
  type Device,
  ProviderUnavailableError,
} from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { chooseProvider } from "../../../../kernels/dense/sessions/providers.ts";
import type { Value } from "../../../../kernels/dense/graph/value.ts";
import { deviceAvailable } from "./device_available.ts";

const without = (...missing: Device[]) => (device: Device) =>
  missing.includes(device)
    ? Promise.reject(new ProviderUnavailableError(`no ${device}`))
    : Promise.resolve();

Deno.test("auto chooses the first device that works and gives the reason for each device it skipped", async () => {
  assert.deepEqual(await chooseProvider("auto", without()), { provider: "cuda", passedOver: [] });
  assert.deepEqual(await chooseProvider("auto", without("cuda")), {
    provider: "cpu",
    passedOver: ["no cuda"],
  });
  await assert.rejects(
    chooseProvider("auto", without("cuda", "cpu")),
    /No device .* no cuda no cpu/,
  );
});

Deno.test("a named provider is returned without testing any device", async () => {
  for (const provider of ["cpu", "webgpu", "cuda", "reference"] as const) {
    const choice = await chooseProvider(provider, without("cuda", "webgpu", "cpu"));
    assert.deepEqual(choice, { provider, passedOver: [] });
  }
});

Deno.test("auto skips a device only when it is missing; other errors are thrown", async () => {
  const broken = () => Promise.reject(new TypeError("a bug"));
  await assert.rejects(chooseProvider("auto", broken), TypeError);
});

Deno.test("a graph that ONNX Runtime refuses is not reported as a missing device", async () => {
  const g = new Graph();
  const [a, b, wrong] = [g.input("a", [2, 3]), g.input("b", [3, 2]), g.input("wrong", [2, 3])];
  const broken = { ...g.matMul(a, b), inputs: [a, wrong] } as Value;
  const model = {
    name: "broken",
    documentation: "",
    outputs: { y: broken },
    parameters: { kind: "inputs" },
  } as const;
  const refused = await createOnnxSession(model, { device: "cpu", threads: 1 })
    .catch((error: Error) => error);
  assert(refused instanceof Error);
  assert(!(refused instanceof ProviderUnavailableError));
  assert.match(refused.message, /ONNX Runtime refuses the graph of "broken" on "cpu"/);
});

Deno.test("in continuous integration a missing WebGPU driver fails tests and a missing CUDA card skips them", async () => {
  const none = without("cuda", "webgpu");
  await assert.rejects(deviceAvailable("webgpu", true, none), ProviderUnavailableError);
  assert.equal(await deviceAvailable("webgpu", false, none), false);
  assert.equal(await deviceAvailable("cuda", true, none), false);
});
