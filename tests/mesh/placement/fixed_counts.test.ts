import assert from "node:assert/strict";
import { refusedChanges } from "../../../mesh/placement/fixed_counts.ts";

const created = { eventPartitions: 64, examplePartitions: 64 };

Deno.test("the same counts are not refused", () => {
  assert.deepEqual(refusedChanges(created, { ...created }), []);
});

Deno.test("a changed count is refused with the setting, the reason and the remedy", () => {
  const [refused, ...others] = refusedChanges(created, { ...created, eventPartitions: 128 });
  assert.deepEqual(others, []);
  assert.deepEqual([refused.setting, refused.from, refused.to], ["joiner.partitions", 64, 128]);
  assert.match(refused.reason, /fixed when a mesh is created.*set it to 64, or stop the mesh/);
});

Deno.test("snapshots belong to a number of example partitions, so that another number begins without one", () => {
  const [refused] = refusedChanges(created, { ...created, examplePartitions: 8 });
  assert.match(
    refused.reason,
    /^trainer\.partitions .* with 8, without a snapshot; a mesh with 64 has at most as many trainers$/,
  );
});
