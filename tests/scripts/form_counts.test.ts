import assert from "node:assert/strict";
import { addFile, emptyRow } from "../../scripts/form_counts.ts";

Deno.test("comments, assertions, invariants and ambiguous words of a file are counted", () => {
  const row = emptyRow();
  addFile(
    row,
    "gateway/app.ts",
    `/** What nobody reads: the place of a slot. */
const workerPlace = entries.get("key!")!.first; // what comes first
invariant(workerPlace !== undefined, "there is a first entry");
`,
  );
  assert.deepEqual(
    { ...row, words: row.words.slice(0, 1) },
    {
      files: 1,
      lengths: [3],
      commentLines: 2,
      what: 2,
      openings: 1,
      persons: 1,
      long: 0,
      assertions: 1,
      invariants: 1,
      longFiles: 0,
      words: [3],
    },
  );
});

Deno.test("assertions of tests are not counted", () => {
  const row = emptyRow();
  addFile(row, "tests/x.test.ts", "f(x!);\n");
  assert.equal(row.assertions, 0);
});
