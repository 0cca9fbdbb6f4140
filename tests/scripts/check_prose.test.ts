import assert from "node:assert/strict";
import { proseFindings } from "../../scripts/check_prose.ts";

Deno.test("a finding in a Rust comment has file, line, rule and advice", () => {
  const source = "/// What a plane holds.\nfn f() {}\n// A bucket that nobody reads.\n";
  assert.deepEqual(
    proseFindings("kernels/embedding/src/plane.rs", source).map((line) => line.split("; ")[0]),
    [
      "kernels/embedding/src/plane.rs:1 comment-opening: What",
      "kernels/embedding/src/plane.rs:3 comment-persons: nobody",
    ],
  );
});

Deno.test("plain comments of Rust have no findings", () => {
  assert.deepEqual(proseFindings("a.rs", "/// Cells of one bucket.\nfn f() {}\n"), []);
});
