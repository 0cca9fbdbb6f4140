import assert from "node:assert/strict";
import { Loop } from "../loop.ts";

const USERS = ["u", "v", "w"];
const ITEMS = ["a", "b", "c", "d"];

/** A loop that has learned tastes, so that scores differ. */
async function trained(options: Parameters<typeof Loop.start>[0] = {}): Promise<Loop> {
  const loop = await Loop.start(options);
  for (const [i, user] of USERS.entries()) {
    const { rankingId } = await loop.rank(user, ITEMS);
    await loop.act(rankingId, ITEMS[i], "click");
    await loop.mesh.advance(100);
  }
  await loop.mesh.advance(11_000);
  await loop.rank("end", ["z"]);
  await loop.mesh.advance(1_000);
  return loop;
}

Deno.test("requests that wait together share one pass, with the scores that each gets alone", async () => {
  const loop = await trained();
  const alone = [];
  for (const user of USERS) alone.push((await loop.rank(user, ITEMS)).items);
  const passes = () => loop.mesh.telemetry.samples("cairn_scorer_batch_rows").length;
  const before = passes();
  const together = await loop.mesh.settle(
    Promise.all(USERS.map((user) => loop.requestRanking(user, ITEMS))),
  );
  assert.equal(passes(), before + 1);
  assert.deepEqual(together.map(({ items }) => items), alone);
  assert.ok(new Set(alone.flat().map(({ score }) => score)).size > ITEMS.length);
  await loop.stop();
});

Deno.test("a pass stays within `batchRowsMax`, except for a single larger request", async () => {
  const loop = await trained({ scorer: { batchRowsMax: 9 } });
  const before = loop.mesh.telemetry.samples("cairn_scorer_batch_rows").length;
  const many = Array.from({ length: 10 }, (_, i) => `many-${i}`);
  const requests = [ITEMS, ITEMS, ITEMS, many];
  await loop.mesh.settle(
    Promise.all(requests.map((items) => loop.requestRanking("u", items))),
  );
  const passes = loop.mesh.telemetry.samples("cairn_scorer_batch_rows").slice(before);
  assert.deepEqual(passes, [8, 4, 10]);
  await loop.stop();
});

Deno.test("answers say which dense weights scored them and how fresh the rows were", async () => {
  const loop = await trained();
  const { modelVersion, learnedThroughMs } = await loop.rank("u", ITEMS);
  assert.ok(modelVersion > 0);
  assert.ok(learnedThroughMs > 0);
  assert.deepEqual(await loop.rankerStatus(), { ready: true, modelVersion, learnedThroughMs });
  await loop.stop();
});

Deno.test("a restarted scorer is given the weights and the freshness that it had", async () => {
  const loop = await trained();
  const before = await loop.rank("u", ITEMS);
  await loop.restart("scorer/0");
  await loop.mesh.advance(1_000);
  const after = await loop.rank("u", ITEMS);
  assert.deepEqual({ ...after, rankingId: "" }, { ...before, rankingId: "" });
  await loop.stop();
});
