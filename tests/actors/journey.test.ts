import assert from "node:assert/strict";
import { areaUnderCurve, since } from "../../actors/trainer/progressive_validation.ts";
import { Loop } from "./loop.ts";

const ITEMS = Array.from({ length: 24 }, (_, i) => `item-${i}`);

/**
 * Even users like even items, odd users odd ones: no item is popular with all, so the pair has to
 * be learned.
 */
function likes(user: number, item: string): boolean {
  return (Number(item.slice(5)) + user) % 2 === 0;
}

/** A user ranks eight items, and clicks the liked ones among the first four. */
async function visit(loop: Loop, random: () => number): Promise<number> {
  const user = Math.floor(random() * 6);
  const candidates = ITEMS.toSorted(() => random() - 0.5).slice(0, 8);
  const ranking = await loop.rank(`user-${user}`, candidates, { limit: 4 });
  let clicks = 0;
  for (const { id } of ranking.items) {
    if (!likes(user, id)) continue;
    await loop.act(ranking.rankingId, id, "click");
    clicks++;
  }
  await loop.mesh.advance(200);
  return clicks / ranking.items.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

Deno.test("clicks on rankings make later rankings better, with the whole loop in one thread", async () => {
  const loop = await Loop.start();
  const stream = loop.mesh.random.stream("test/visits");
  const random = () => stream.nextFloat();
  const rates: number[] = [];
  for (let i = 0; i < 150; i++) rates.push(await visit(loop, random));
  const halfway = await loop.progressiveValidation();
  for (let i = 0; i < 150; i++) rates.push(await visit(loop, random));

  // Eight candidates hold about four liked ones: a perfect ranking reaches about 0.88.
  const [first, last] = [mean(rates.slice(0, 40)), mean(rates.slice(-60))];
  assert.ok(first < 0.7, `untrained: ${first}`);
  assert.ok(last > 0.8, `trained: ${last}`);

  const later = await loop.progressiveValidation();
  const trained = areaUnderCurve(since(halfway.trained.clicked, later.trained.clicked));
  const served = areaUnderCurve(since(halfway.served, later.served));
  assert.ok(trained > 0.9 && served > 0.9, `AUC trained ${trained}, served ${served}`);

  const joiner = await loop.joinerStatus();
  assert.equal(joiner.actionsUnmatched + joiner.actionsLate + joiner.recordsInvalid, 0);
  const trainer = await loop.trainerStatus();
  assert.equal(trainer.examples, joiner.examplesEmitted);
  assert.equal(trainer.diverged, undefined);
  assert.equal((await loop.feedStatus()).gaps, 0);
  assert.ok(loop.mesh.telemetry.value("cairn_sync_dense_version") > 0);
  await loop.stop();
});

Deno.test("an action changes the scores within a second, and answers report the freshness", async () => {
  const loop = await Loop.start();
  const before = await loop.rank("user-0", ["item-0", "item-1"]);
  assert.deepEqual(before.items.map(({ cold }) => cold), [true, true]);
  assert.equal(before.learnedThroughMs, 0);
  const acceptedAtMs = await loop.act(before.rankingId, "item-1", "click");
  const postedMs = loop.mesh.clock.monotonicMs();
  let after = before;
  while (after.learnedThroughMs < acceptedAtMs) {
    await loop.mesh.advance(5);
    after = await loop.rank("user-0", ["item-0", "item-1"]);
    assert.ok(loop.mesh.clock.monotonicMs() - postedMs < 1_000, "not fresh after a second");
  }
  const score = (ranking: typeof before, id: string) =>
    ranking.items.find((item) => item.id === id)!;
  assert.ok(score(after, "item-1").score > score(before, "item-1").score);
  assert.equal(score(after, "item-1").cold, false);
  assert.equal(score(after, "item-0").cold, true);
  await loop.stop();
});

Deno.test("negatives are learned when their window is over, not before", async () => {
  const loop = await Loop.start({ joiner: { windowMs: 5_000 } });
  await loop.rank("user-0", ["item-0"]);
  await loop.mesh.advance(4_000);
  await loop.rank("user-1", ["item-1"]);
  await loop.mesh.advance(500);
  const early = await loop.trainerStatus();
  assert.equal(early.examples, 0);
  await loop.mesh.advance(1_500);
  await loop.rank("user-1", ["item-2"]);
  await loop.mesh.advance(500);
  const late = await loop.trainerStatus();
  assert.equal(late.examples, 1);
  await loop.stop();
});

Deno.test("requests that wait together are scored in one pass, and each gets its own answer", async () => {
  const loop = await Loop.start();
  const wanted = [ITEMS.slice(0, 1), ITEMS.slice(1, 3), ITEMS.slice(2, 5)];
  const together = wanted.map((items, user) => loop.requestRanking(`user-${user}`, items));
  const rankings = await loop.mesh.settle(Promise.all(together));
  const ids = rankings.map(({ items }) => items.map(({ id }) => id).toSorted());
  assert.deepEqual(ids, wanted);
  assert.equal(new Set(rankings.map(({ rankingId }) => rankingId)).size, 3);
  assert.equal(await loop.eventLog.endOffset(0), 3);
  await loop.stop();
});

Deno.test("an explanation names every slot, and clicks on an item show in the item's slots", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank(`user-${i}`, ["item-0"]);
    await loop.act(rankingId, "item-0", "click");
    await loop.mesh.advance(100);
  }
  await loop.mesh.advance(1_000);
  const { items } = await loop.rank("new-user", ["item-0"], { explain: true });
  const explanation = items[0].explanation!;
  assert.deepEqual(explanation.map(({ slot }) => slot).toSorted(), ["item", "tags", "user"]);
  const brought = Object.fromEntries(
    explanation.map(({ slot, contribution }) => [slot, contribution]),
  );
  assert.ok(brought.item > 0.1, `item: ${brought.item}`);
  assert.equal(brought.tags, 0);
  await loop.stop();
});

Deno.test("actions that decide no example still move the trainer's offset and the freshness mark", async () => {
  const loop = await Loop.start();
  const acceptedAtMs = await loop.act("unknown", "item-0", "click");
  await loop.mesh.advance(500);
  const { offset, learnedThroughMs } = await loop.trainerStatus();
  assert.equal(offset, await loop.exampleLog.endOffset(0));
  assert.equal(learnedThroughMs, acceptedAtMs);
  assert.equal((await loop.feedStatus()).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});
