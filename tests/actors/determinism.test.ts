import assert from "node:assert/strict";
import { Loop } from "./loop.ts";

/** The answers and states of a run, bit for bit. */
async function runTrace(seed: number): Promise<string> {
  const loop = await Loop.start({
    seed,
    shards: 3,
    trainer: { batchRows: 8 },
    joiner: { lingerMs: 7 },
  });
  const trace: unknown[] = [];
  for (let i = 0; i < 30; i++) {
    const items = [0, 1, 2, 3].map((k) => `item-${(i * 5 + k * 3) % 17}`);
    const rankings = await loop.mesh.settle(
      Promise.all([
        loop.requestRanking(`user-${i % 4}`, items),
        loop.requestRanking("guest", items),
      ]),
    );
    trace.push(rankings, loop.mesh.clock.monotonicMs());
    await loop.act(rankings[0].rankingId, rankings[0].items[i % 4].id, "click");
    await loop.mesh.advance(13);
  }
  await loop.mesh.advance(500);
  trace.push(await loop.trainerStatus(), await loop.joinerStatus(), await loop.feedStatus());
  trace.push(await loop.rank("user-1", ["item-1", "item-2"]));
  await loop.stop();
  return JSON.stringify(trace);
}

Deno.test("the same seed gives the same run of the whole mesh, bit for bit", async () => {
  const first = await runTrace(42);
  assert.equal(await runTrace(42), first);
  assert.notEqual(await runTrace(43), first, "identifiers of rankings come from the seed");
});
