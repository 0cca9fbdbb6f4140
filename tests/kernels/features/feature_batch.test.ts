import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchMerger } from "../../../kernels/features/feature_batch.ts";
import { batches, contents, SLOTS } from "../../actors/feature_batches.ts";

Deno.test("merged batches hold every row's features in order, whatever was merged before", () => {
  const merger = new BatchMerger({ slots: SLOTS, denseWidth: 1 });
  fc.assert(fc.property(batches, (all) => {
    assert.deepEqual(contents(merger.merge(all)), all.flatMap(contents));
  }));
});
