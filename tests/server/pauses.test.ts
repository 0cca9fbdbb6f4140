import assert from "node:assert/strict";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { Pauses } from "../../server/pauses.ts";

/** Pauses, and the names of those that have ended. */
function begin(times: Readonly<Record<string, number>>) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const pauses = new Pauses(mesh.clock);
  const ended: string[] = [];
  for (const [name, ms] of Object.entries(times)) {
    pauses.pause(ms).then(() => ended.push(name));
  }
  return { mesh, pauses, ended };
}

Deno.test("a pause ends after its time, and at once where that is over", async () => {
  const { mesh, ended } = begin({ later: 50, over: -2_500 });
  await mesh.advance(0);
  assert.deepEqual(ended, ["over"]);
  await mesh.advance(50);
  assert.deepEqual(ended, ["over", "later"]);
});

Deno.test("all pauses end at once when their owner stops", async () => {
  const { mesh, pauses, ended } = begin({ first: 50, second: 1_000_000 });
  pauses.endAll();
  await mesh.advance(0);
  assert.deepEqual(ended, ["first", "second"]);
});
