import assert from "node:assert/strict";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { Backoffs } from "../../server/backoffs.ts";

Deno.test("a part that fails again and again waits longer and longer, until a step of it is made", async () => {
  const clock = new VirtualClock();
  const backoffs = new Backoffs<string>(clock, { first: 500, max: 4_000 });
  const fail = () => Promise.reject(new Error("its store lacks the mark"));
  assert.equal(backoffs.isPausing("shard"), false);
  for (const pauseMs of [500, 1_000, 2_000, 4_000, 4_000]) {
    await assert.rejects(backoffs.during("shard", fail), /lacks the mark/);
    await clock.advance(pauseMs - 1);
    assert.ok(backoffs.isPausing("shard"));
    assert.equal(backoffs.isPausing("trainer"), false);
    await clock.advance(1);
    assert.equal(backoffs.isPausing("shard"), false);
  }
  assert.equal(await backoffs.during("shard", () => Promise.resolve(7)), 7);
  assert.equal(backoffs.failed("shard"), 500);
});
