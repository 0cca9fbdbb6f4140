/**
 * Goal: a reporting script changes its own section of the page only. Method: replace and add
 * sections of a small page.
 */
import assert from "node:assert/strict";
import { withSection } from "../../scripts/benchmark_page.ts";

const of = (name: string) => ({ begin: `<!-- ${name}: begin -->`, end: `<!-- ${name}: end -->` });
const PAGE = "above\n\n<!-- a: begin -->\n\nold\n\n<!-- a: end -->\n\nlast\n\nbelow\n";

Deno.test("a section that the page has is replaced where it is", () => {
  const page = withSection(PAGE, of("a"), "new\n", "last\n");
  assert.equal(page, PAGE.replace("old", "new"));
});

Deno.test("a section that the page lacks comes before the given line, others stay", () => {
  const page = withSection(PAGE, of("b"), "second\n", "last\n");
  assert.equal(
    page,
    PAGE.replace("last", "<!-- b: begin -->\n\nsecond\n\n<!-- b: end -->\n\nlast"),
  );
  assert.equal(withSection(page, of("b"), "second\n", "last\n"), page);
});

Deno.test("a page without markers or line is refused", () => {
  assert.throws(() => withSection(PAGE, of("b"), "text"), /lost its markers/);
  assert.throws(() => withSection(PAGE, of("b"), "text", "nowhere"), /lost its markers/);
});
