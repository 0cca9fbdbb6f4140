import assert from "node:assert/strict";
import { scanSource } from "../../scripts/comments.ts";

/** Line number and words of each line of each comment. */
function commentsOf(path: string, source: string): [line: number, text: string][] {
  return scanSource(path, source).comments.map(({ line, text }) => [line, text]);
}

Deno.test("comments of TypeScript are found line by line, with the columns of the whole line", () => {
  const source = "/**\n * One.\n */\nconst a = 1; // two\n/* three */\n";
  assert.deepEqual(scanSource("a.ts", source).comments, [
    { line: 1, text: "", columns: 3 },
    { line: 2, text: "One.", columns: 7 },
    { line: 3, text: "", columns: 3 },
    { line: 4, text: "two", columns: 19 },
    { line: 5, text: "three", columns: 11 },
  ]);
});

Deno.test("strings, templates and regular expressions of TypeScript hold no comments", () => {
  const source = [
    "const a = \"// no\", b = '/* no */';",
    "const c = `// no ${a ? `// no` : { d: 1 }.d // yes",
    "} // no`;",
    "const e = /[/]\\/\\/ no/.test(a) || 4 / 2; // yes, too",
  ].join("\n");
  assert.deepEqual(commentsOf("a.ts", source), [[2, "yes"], [4, "yes, too"]]);
});

Deno.test("comments of Rust are found, and its strings, characters and lifetimes hold none", () => {
  const source = [
    "//! Module.",
    "/// Item.",
    "fn f<'a>(x: &'a str) -> char { let q = '\"'; let s = \"// no\"; q } // yes",
    'const R: &str = r#"// no " "#; // yes, too',
  ].join("\n");
  assert.deepEqual(commentsOf("a.rs", source), [
    [1, "Module."],
    [2, "Item."],
    [3, "yes"],
    [4, "yes, too"],
  ]);
});

Deno.test("code keeps its lines without comments and strings", () => {
  const { code } = scanSource("a.ts", 'f("x!"); // y!\ng(z!);\n');
  assert.deepEqual(code.split("\n").map((line) => line.replaceAll(" ", "")), [
    "f();",
    "g(z!);",
    "",
  ]);
});
