/**
 * The memory of rankings, compared with all rankings and items put into it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { hashRanking, RecentRankings } from "../../../gateway/memory/recent_rankings.ts";

const items = (ranking: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `item ${ranking}/${i}` }));

Deno.test("each of the newest rankings is known with all of its items and no others", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 40 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(30_000)), { maxLength: 120 }),
      (rankingsMax, counts) => {
        const rankings = new RecentRankings({ rankingsMax, bytesMax: Infinity });
        counts.forEach((count, i) => rankings.remember(`r${i}`, items(i, count), 1.5 * i));
        assert.ok(rankings.size <= rankingsMax);
        const sure = Math.min(counts.length, Math.floor(rankingsMax / 8) * 7 + 1);
        for (let i = counts.length - sure; i < counts.length; i++) {
          const [first, last] = [`item ${i}/0`, `item ${i}/${counts[i] - 1}`];
          assert.equal(rankings.check(`r${i}`, first), "shown");
          assert.equal(rankings.check(`r${i}`, last), "shown");
          assert.equal(rankings.timeOf(`r${i}`), 1.5 * i);
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

Deno.test("the memory for items is bounded in bytes, whatever the number of rankings", () => {
  const rankings = new RecentRankings({ rankingsMax: 1_000_000, bytesMax: 8 * 4 * 65_536 });
  for (let i = 0; i < 3_000; i++) rankings.remember(`r${i}`, items(i, 500), 0);
  assert.ok(rankings.size > 900 && rankings.size <= 1_200, String(rankings.size));
  assert.equal(rankings.check("r2999", "item 2999/499"), "shown");
  assert.equal(rankings.check("r0", "item 0/0"), "unknown-ranking");
});

Deno.test("recalled rankings are older than all others", () => {
  const rankings = new RecentRankings({ rankingsMax: 8, bytesMax: 1 << 20 });
  rankings.remember("new", [{ id: "a" }], 0);
  let recalled = 0;
  while (rankings.recallOlder(`old ${recalled}`, hashRanking(["b"], 0))) recalled++;
  assert.equal(rankings.size, 8);
  assert.equal(rankings.check("old 0", "b"), "shown");
  rankings.remember("newer", [{ id: "a" }], 0);
  assert.equal(rankings.check("new", "a"), "shown");
  assert.equal(rankings.check(`old ${recalled - 1}`, "b"), "unknown-ranking", "the oldest goes");
});
