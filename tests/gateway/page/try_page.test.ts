import assert from "node:assert/strict";
import { rankingRows } from "../../../gateway/page/ranking_bars.js";
import { fieldsOf } from "../../../gateway/page/schema_fields.js";
import { pretty } from "../../../gateway/page/pretty_json.js";
import { storedId, withStoredIds } from "../../../gateway/page/stored_examples.js";
import { gatewayFixture } from "../fixture.ts";

const example = {
  user: "user-7",
  candidates: [{ id: "item-1" }, { id: "item-2", fields: { year: 1994 } }, { id: "item-3" }],
  limit: 2,
};

Deno.test("every script that the page imports is served, and so is its style", async () => {
  const { app } = gatewayFixture();
  const served = async (path: string) => {
    const response = await app.fetch(new Request(`http://x${path}`));
    assert.equal(response.status, 200, path);
    return await response.text();
  };
  const page = await served("/");
  const paths = [...page.matchAll(/(?:src|href)="(\/try\.[^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(paths.sort(), ["/try.css", "/try.js"]);
  const script = await served("/try.js");
  const imports = [...script.matchAll(/from "\.(\/[^"]+)"/g)].map(([, path]) => path);
  assert.ok(imports.length >= 4);
  for (const path of imports) await served(path);
  // A long line of an answer is broken, not cut off.
  assert.match(await served("/try.css"), /#answerBody,[^}]*\{[^}]*white-space: pre-wrap/);
});

Deno.test("an example has ids of stored items and users, and asks to explain their ranking", () => {
  const stored = { items: Array.from({ length: 12 }, (_, i) => `sku-${i}`), users: ["ann"] };
  const filled = withStoredIds(example, stored);
  assert.equal(filled.user, "ann");
  assert.deepEqual(filled.candidates, stored.items.slice(0, 10).map((id) => ({ id })));
  assert.deepEqual([filled.limit, filled.explain], [5, true]);
  assert.deepEqual(withStoredIds({ rankingId: "r-1", items: ["item-2"] }, stored), {
    rankingId: "r-1",
    items: ["sku-1"],
  });
  assert.equal(storedId("item-14", stored), "sku-1");
});

Deno.test("an example stays as it is where nothing is stored", () => {
  const nothing = { items: [], users: [] };
  assert.deepEqual(withStoredIds(example, nothing), example);
  assert.equal(withStoredIds(undefined, nothing), undefined);
  assert.equal(storedId("item-1", nothing), "item-1");
});

Deno.test("bars are shares of the largest score and contribution, the largest slots first", () => {
  const [first, second] = rankingRows([
    {
      id: "a",
      score: 0.8,
      cold: false,
      explanation: [{ slot: "user", contribution: 0.1 }, { slot: "price", contribution: -0.4 }, {
        slot: "hour",
        contribution: 0,
      }],
    },
    { id: "b", score: 0.2, cold: true },
  ]);
  assert.deepEqual([first.share, second.share], [1, 0.25]);
  assert.deepEqual(
    first.parts.map((part: { slot: string; share: number }) => [part.slot, part.share]),
    [
      ["price", 1],
      ["user", 0.25],
    ],
  );
  assert.deepEqual(second.parts, []);
  assert.deepEqual(rankingRows([{ id: "a", score: 0, cold: true }])[0].share, 0);
});

Deno.test("a table of fields walks into lists of objects and follows references", () => {
  const api = { defs: { Candidate: { type: "object", properties: { id: { type: "string" } } } } };
  const schema = {
    required: ["candidates"],
    properties: {
      candidates: { type: "array", minItems: 1, maxItems: 5, items: { $ref: "#/defs/Candidate" } },
    },
  };
  assert.deepEqual([...fieldsOf(schema, api)], [
    ["candidates", "list of 1 to 5", ""],
    ["candidates[].id?", "string", ""],
  ]);
});

Deno.test("a value that fits on a line is not broken", () => {
  assert.equal(pretty({ a: [1, 2] }), '{ "a": [1, 2] }');
  assert.equal(pretty({ a: "x".repeat(80) }), `{\n  "a": "${"x".repeat(80)}"\n}`);
});
