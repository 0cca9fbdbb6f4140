/** Lines of text in columns. */
import assert from "node:assert/strict";
import { alignedRows } from "../../structures/aligned_rows.ts";

Deno.test("cells of a column begin at the same place, and no line ends in spaces", () => {
  assert.deepEqual(
    alignedRows([["host", "state", "shards"], ["tables-1", "up", "4"], ["edge", "draining", ""]]),
    [
      "host      state     shards",
      "tables-1  up        4",
      "edge      draining",
    ],
  );
  assert.deepEqual(alignedRows([]), []);
});
