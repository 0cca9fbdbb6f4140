import assert from "node:assert/strict";
import { Loop } from "./loop.ts";

/** All that a run said and learned, bit for bit. */
async function trace(seed: number): Promise<string> {
  const loop = await Loop.start({ seed, shards: 3, trainer: { batchRows: 8, lingerMs: 7 } });
  const said: unknown[] = [];
  for (let i = 0; i < 30; i++) {
    const items = [0, 1, 2, 3].map((k) => `item-${(i * 5 + k * 3) % 17}`);
    const rankings = await loop.mesh.settle(
      Promise.all([
        loop.requestRanking(`user-${i % 4}`, items),
        loop.requestRanking("guest", items),
      ]),
    );
    said.push(rankings, loop.mesh.clock.monotonicMs());
    await loop.act(rankings[0].rankingId, rankings[0].items[i % 4].id, "click");
    await loop.mesh.advance(13);
  }
  await loop.mesh.advance(500);
  said.push(await loop.trainerStatus(), await loop.joinerStatus(), await loop.syncStatus());
  said.push(await loop.rank("user-1", ["item-1", "item-2"]));
  await loop.stop();
  return JSON.stringify(said);
}

Deno.test("the same seed gives the same run of the whole mesh, bit for bit", async () => {
  const first = await trace(42);
  assert.equal(await trace(42), first);
  assert.notEqual(await trace(43), first, "identifiers of rankings come from the seed");
});
