/**
 * Defaults for a table of labelled examples without a configuration.
 */
import assert from "node:assert/strict";
import { l2OfTable } from "../../../cli/train/training_source.ts";

Deno.test("L2 is tuned for 200,000 examples, weaker for more of them, and not stronger for fewer", () => {
  assert.deepEqual([1, 5_000, 200_000].map(l2OfTable), [0.05, 0.05, 0.05]);
  assert.deepEqual([400_000, 1_404_801, 33_003_326].map(l2OfTable), [0.025, 0.0071, 0.0003]);
});
