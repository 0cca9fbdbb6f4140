import assert from "node:assert/strict";
import { counted } from "../../structures/counted.ts";

Deno.test("one thing has the singular, any other number of them the plural", () => {
  assert.equal(counted(1, "seed"), "1 seed");
  assert.equal(counted(0, "seed"), "0 seeds");
  assert.equal(counted(12_345, "row"), "12,345 rows");
  assert.equal(counted(1, "batch", "batches"), "1 batch");
  assert.equal(counted(2, "batch", "batches"), "2 batches");
});
