import assert from "node:assert/strict";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { ontoMean } from "../../../kernels/dense/weights.ts";
import { Loop } from "../loop.ts";

async function visit(loop: Loop, from: number, to: number): Promise<number> {
  let acceptedAtMs = 0;
  for (let i = from; i < to; i++) {
    const items = [0, 1, 2].map((k) => `item-${(i * 7 + k * 3) % 20}`);
    const { rankingId } = await loop.rank(`user-${i % 5}`, items);
    for (const item of items) acceptedAtMs = await loop.act(rankingId, item, "click");
    await loop.mesh.advance(30);
  }
  return acceptedAtMs;
}

Deno.test("two trainers learn each example of one stream once, and both end with the mean", async () => {
  const loop = await Loop.start({
    trainers: 2,
    trainer: { batchRows: 8 },
    joiner: { lingerMs: 10 },
  });
  const acceptedAtMs = await visit(loop, 0, 40);
  await loop.mesh.advance(2_000);
  const trained = [await loop.trainerStatus(0), await loop.trainerStatus(1)];
  assert.ok(trained.every(({ examples }) => examples > 20));
  assert.equal(trained[0].examples + trained[1].examples, 120);
  const weights = await loop.denseWeights(0);
  assert.deepEqual(await loop.denseWeights(1), weights);
  assert.equal((await loop.rankerStatus()).modelVersion, weights.version);
  assert.equal((await loop.syncStatus()).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});

Deno.test("a trainer whose partition is empty does not hold back the freshness mark", async () => {
  const loop = await Loop.start({ trainers: 3 });
  const { rankingId } = await loop.rank("user", ["item-0"]);
  const acceptedAtMs = await loop.act(rankingId, "item-0", "click");
  await loop.mesh.advance(1_000);
  const examples: number[] = [];
  for (const partition of loop.trainers.keys()) {
    examples.push((await loop.trainerStatus(partition)).examples);
  }
  assert.deepEqual(examples.toSorted(), [0, 0, 1]);
  assert.equal((await loop.syncStatus()).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});

Deno.test("while a trainer is stopped the mark does not move and the others learn; after its restart it adopts the mean", async () => {
  const loop = await Loop.start({
    trainers: 2,
    trainer: { batchRows: 8 },
    joiner: { lingerMs: 10 },
  });
  await visit(loop, 0, 20);
  await loop.mesh.advance(1_000);
  const before = await loop.rankerStatus();
  await loop.mesh.settle(loop.mesh.node().stopActor("trainer/1", 0));
  const acceptedAtMs = await visit(loop, 20, 40);
  await loop.mesh.advance(3_000);
  const without = await loop.rankerStatus();
  assert.ok(
    without.modelVersion > before.modelVersion,
    "the mean is made without the stopped trainer",
  );
  assert.ok((await loop.syncStatus()).learnedThroughMs < acceptedAtMs);

  await loop.restart("trainer/1");
  await loop.mesh.advance(3_000);
  assert.equal((await loop.syncStatus()).learnedThroughMs, acceptedAtMs);
  const weights = await loop.denseWeights(0);
  assert.deepEqual(await loop.denseWeights(1), weights);
  const after = await loop.rankerStatus();
  assert.equal(after.modelVersion, weights.version);
  assert.ok(after.modelVersion > without.modelVersion);
  await loop.stop();
});

Deno.test("steps between a trainer's offer and the mean are kept, and a restarted trainer adopts no earlier mean", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 8 }, joiner: { lingerMs: 10 } });
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const ask = { budgetMs: 1_000 };
  await visit(loop, 0, 5);
  const { weights: offered, examples } = await loop.mesh.settle(
    trainer.ask({ kind: "offerWeights" }, ask),
  );
  assert.equal(examples, 15);
  await visit(loop, 5, 10);
  const before = await loop.denseWeights();
  const steps = before.version - offered.version;
  assert.ok(steps > 0);
  const parameters = Object.entries(offered.parameters).map(([name, { shape, data }]) => {
    return [name, { shape, data: data.map((value) => value / 2) }] as const;
  });
  const mean = { version: 100, parameters: Object.fromEntries(parameters) };
  const adopt = { kind: "adoptMean", mean, offered: offered.version } as const;
  assert.deepEqual(await loop.mesh.settle(trainer.ask(adopt, ask)), { adopted: true });
  const after = await loop.denseWeights();
  assert.deepEqual(after, ontoMean(mean, offered, before));
  assert.equal(after.version, 100 + steps);
  const again = await loop.mesh.settle(trainer.ask({ kind: "offerWeights" }, ask));
  assert.equal(again.examples, 15, "the examples since the offer");

  await loop.restart("trainer/0");
  const late = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  assert.deepEqual(await loop.mesh.settle(late.ask(adopt, ask)), { adopted: false });
  await loop.stop();
});
