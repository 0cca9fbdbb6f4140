/**
 * From a provider's name to a device.
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

Deno.test("auto is the first device that works, and says why it passed over the others", async () => {
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

Deno.test("a name is itself, and asks no device", async () => {
  for (const provider of ["cpu", "webgpu", "cuda", "reference"] as const) {
    const choice = await chooseProvider(provider, without("cuda", "webgpu", "cpu"));
    assert.deepEqual(choice, { provider, passedOver: [] });
  }
});

Deno.test("auto passes over nothing for a fault that is not the device's absence", async () => {
  const broken = () => Promise.reject(new TypeError("a bug"));
  await assert.rejects(chooseProvider("auto", broken), TypeError);
});

Deno.test("a graph that a device refuses is no missing device", async () => {
  const g = new Graph();
  const sound = g.matMul(g.input("a", [2, 3]), g.input("b", [3, 2]));
  const broken = { ...sound, inputs: [g.input("c", [2, 3]), g.input("d", [2, 3])] } as Value;
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
  assert.match(refused.message, /The graph of "broken" is refused on "cpu"/);
});

Deno.test("tests on WebGPU fail in continuous integration without a driver; those on CUDA are skipped", async () => {
  const none = without("cuda", "webgpu");
  await assert.rejects(deviceAvailable("webgpu", true, none), ProviderUnavailableError);
  assert.equal(await deviceAvailable("webgpu", false, none), false);
  assert.equal(await deviceAvailable("cuda", true, none), false);
});
