import assert from "node:assert/strict";
import fc from "fast-check";
import { minimize } from "../../simulation/shrink/minimize.ts";

Deno.test("a list that fails by some of its items is shrunk to exactly these", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat(59), { maxLength: 4 }),
      async (items, chosen) => {
        const guilty = new Set(chosen.filter((i) => i < items.length).map((i) => items[i]));
        const fails = (part: readonly number[]) =>
          Promise.resolve([...guilty].every((item) => part.includes(item)));
        assert.deepEqual(await minimize(items, fails), items.filter((item) => guilty.has(item)));
      },
    ),
  );
});

Deno.test("the result still fails when no more runs are allowed", async () => {
  const items = Array.from({ length: 40 }, (_, i) => i);
  for (let allowed = 0; allowed < 20; allowed++) {
    let runs = 0;
    const fails = (part: readonly number[]) =>
      Promise.resolve(runs++ < allowed ? part.includes(3) && part.includes(30) : undefined);
    const found = await minimize(items, fails);
    assert.ok(found.includes(3) && found.includes(30));
  }
});
