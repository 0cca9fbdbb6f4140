import assert from "node:assert/strict";
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

async function visit(loop: Loop, user: string): Promise<void> {
  const { rankingId } = await loop.rank(user, ["item-0", "item-1"]);
  await loop.act(rankingId, "item-0", "click");
  await loop.mesh.advance(100);
}

Deno.test("a diverged batch stops training and is named by its rows, and serving uses the weights before it", async () => {
  const explosion = new DivergenceError({
    step: 4,
    loss: NaN,
    learningRate: 0.1,
    reason: "the loss is not finite",
  }, "1 rows");
  let steps = 0;
  const loop = await Loop.start({
    interference: {
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => ++steps === 4 ? Promise.reject(explosion) : session.step(batch),
        }),
    },
  });
  const gauge = () => loop.mesh.telemetry.value("cairn_trainer_diverged", { trainer: "0" });
  assert.equal(gauge(), 0);
  for (let i = 0; i < 6; i++) await visit(loop, `user-${i}`);
  await loop.mesh.advance(1_000);
  const { diverged, examples, steps: counted } = await loop.trainerStatus();
  assert.match(diverged!, /the loss is not finite.*rows 3 to 3 of partition 0/s);
  assert.deepEqual([examples, counted], [3, 3]);
  assert.equal(gauge(), 1);

  const { modelVersion, items } = await loop.rank("user-0", ["item-0"]);
  assert.equal(modelVersion, 3);
  assert.equal(items[0].cold, false);
  await loop.stop();
});
