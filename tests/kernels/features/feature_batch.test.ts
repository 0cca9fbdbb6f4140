import assert from "node:assert/strict";
import fc from "fast-check";
import { mergeBatches } from "../../../kernels/features/feature_batch.ts";
import { batches, contents, SLOTS } from "../../actors/feature_batches.ts";

Deno.test("merged batches hold every row's features in order", () => {
  fc.assert(fc.property(batches, (all) => {
    assert.deepEqual(contents(mergeBatches(all, SLOTS, 1)), all.flatMap(contents));
  }));
});
