/**
 * The memory of rankings, compared with all rankings and items put into it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { hashItems, RecentRankings } from "../../../gateway/memory/recent_rankings.ts";

const items = (ranking: number, count: number) =>
  Array.from({ length: count }, (_, i) => `item ${ranking}/${i}`);

Deno.test("each of the newest rankings is known with all of its items and no others", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 40 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(30_000)), { maxLength: 120 }),
      (rankingsMax, counts) => {
        const rankings = new RecentRankings(rankingsMax);
        counts.forEach((count, i) => rankings.recall(`r${i}`, hashItems(items(i, count))));
        assert.ok(rankings.size <= rankingsMax);
        const sure = Math.min(counts.length, Math.floor(rankingsMax / 8) * 7 + 1);
        for (let i = counts.length - sure; i < counts.length; i++) {
          const [first, last] = [`item ${i}/0`, `item ${i}/${counts[i] - 1}`];
          assert.equal(rankings.check(`r${i}`, first), "shown");
          assert.equal(rankings.check(`r${i}`, last), "shown");
          assert.equal(rankings.check(`r${i}`, `item ${i}/${counts[i]}`), "item-not-shown");
        }
        for (let i = 0; i < counts.length - rankingsMax; i++) {
          assert.equal(rankings.check(`r${i}`, `item ${i}/0`), "unknown-ranking");
        }
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a reserved id is taken until its ranking fails", () => {
  const rankings = new RecentRankings(10);
  assert.ok(rankings.reserve("r"));
  assert.ok(!rankings.reserve("r"));
  assert.equal(rankings.check("r", "a"), "unknown-ranking", "the ranking has shown nothing yet");
  rankings.release("r");
  assert.ok(rankings.reserve("r"));
  rankings.recall("r", hashItems(["a"]));
  rankings.release("r");
  assert.equal(rankings.check("r", "a"), "shown", "an answered ranking is not released");
});
