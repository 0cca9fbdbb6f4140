import assert from "node:assert/strict";
import fc from "fast-check";
import { UserRankings } from "../../../gateway/memory/user_rankings.ts";

Deno.test("a user's newest ranking is found among the remembered ones, older ones by the condition", () => {
  const step = fc.record({
    user: fc.constantFrom("u", "v", "w"),
    older: fc.boolean(),
    even: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(step, { maxLength: 40 }),
      (max, steps) => {
        const rankings = new UserRankings(max);
        const model: { user: string; rankingId: string; atMs: number }[] = [];
        steps.forEach(({ user, older, even }, i) => {
          const ranking = { rankingId: `r${i}${even ? "even" : ""}`, atMs: i };
          if (older) {
            const fits = model.length < max;
            assert.equal(rankings.recallOlder(user, ranking), fits);
            if (fits) model.unshift({ user, ...ranking });
          } else {
            rankings.remember(user, ranking);
            model.push({ user, ...ranking });
            if (model.length > max) model.shift();
          }
          assert.equal(rankings.size, model.length);
          for (const name of ["u", "v", "w", "x"]) {
            const own = model.filter((each) => each.user === name).reverse();
            assert.equal(rankings.find(name, () => true)?.rankingId, own[0]?.rankingId);
            const isEven = ({ rankingId }: { rankingId: string }) => rankingId.endsWith("even");
            assert.equal(rankings.find(name, isEven)?.rankingId, own.find(isEven)?.rankingId);
          }
        });
      },
    ),
  );
});

Deno.test("a memory without room for rankings finds none", () => {
  const rankings = new UserRankings(0);
  rankings.remember("u", { rankingId: "r", atMs: 0 });
  assert.equal(rankings.recallOlder("u", { rankingId: "r", atMs: 0 }), false);
  assert.equal(rankings.find("u", () => true), undefined);
});

Deno.test("a user who is forgotten has no ranking, and those of others are still found", () => {
  const rankings = new UserRankings(5);
  for (let i = 0; i < 7; i++) {
    rankings.remember(i % 2 === 0 ? "u" : "v", { rankingId: `r${i}`, atMs: i });
  }
  assert.deepEqual(rankings.forget("u"), ["r6", "r4", "r2"]);
  assert.deepEqual(rankings.forget("u"), []);
  assert.equal(rankings.find("u", () => true), undefined);
  assert.equal(rankings.find("v", () => true)?.rankingId, "r5");
  rankings.remember("u", { rankingId: "new", atMs: 8 });
  for (let i = 0; i < 9; i++) {
    assert.equal(rankings.find("u", () => true)?.rankingId, i < 5 ? "new" : undefined);
    rankings.remember("w", { rankingId: `w${i}`, atMs: 9 });
  }
});
