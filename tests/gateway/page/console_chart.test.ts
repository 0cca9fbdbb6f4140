import assert from "node:assert/strict";
import { lonePoints, timeRange } from "../../../gateway/page/console/chart.js";

Deno.test("a value between two absent ones is drawn as a point, since no line goes through it", () => {
  assert.deepEqual(lonePoints([3, null, 4, 5, null, 0, null, null, 7]), [0, 5, 8]);
  assert.deepEqual(lonePoints([1]), [0]);
  assert.deepEqual(lonePoints([1, 2, undefined, null]), []);
});

Deno.test("the time axis of the first samples covers a minute, and later all of them", () => {
  assert.deepEqual(timeRange(1_000, 1_000), [940, 1_000]);
  assert.deepEqual(timeRange(1_000, 1_090), [1_000, 1_090]);
});
