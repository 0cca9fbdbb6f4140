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
