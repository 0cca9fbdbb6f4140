import assert from "node:assert/strict";
import fc from "fast-check";
import { numberRuns } from "../../structures/number_runs.ts";

Deno.test("runs hold the numbers of the list in its order", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 12 })), (numbers) => {
    const runs = numberRuns(numbers);
    const listed = runs.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, i) => first + i)
    );
    assert.deepEqual(listed, numbers);
    for (let i = 1; i < runs.length; i++) {
      const { first, count } = runs[i - 1];
      assert.notEqual(runs[i].first, first + count, "a run ends where the numbers do not follow");
    }
  }));
});
