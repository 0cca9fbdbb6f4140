import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";

Deno.test("rules may read the attributes of features and the declared ones", () => {
  const { gateway, ranker } = parseConfiguration(
    `
features:
  slots:
    user: { kind: id, source: user }
    brand: { kind: categorical, source: item }
    tags: { kind: list, source: item }
    cost: { kind: numeric, source: item, attribute: price, buckets: { kind: log } }
    year: { kind: categorical, source: item }
attributes:
  item: { year: number, stock: number, publishedMs: number }
  context: { shop: text }
scenarios:
  home:
    filter: stock > 0 && year >= 1990 && context.shop == "x"
    boost: [{ when: '"new" in tags && brand == "b"', factor: 2 }]
    diversity: { kind: cap, by: brand, max: 2 }
    newItems: { when: "now - publishedMs < days(7)", share: 0.1, top: 10 }
    pin: [{ item: a, position: 1 }]
ranker: { scenario: home }
`,
    "c.yaml",
  );
  assert.deepEqual(gateway.attributeTypes, {
    item: {
      brand: "label",
      tags: "texts",
      price: "number",
      year: "number",
      stock: "number",
      publishedMs: "number",
    },
    user: {},
    context: { shop: "text" },
  });
  assert.deepEqual(gateway.scenarios, {
    home: {
      filter: ['stock > 0 && year >= 1990 && context.shop == "x"'],
      boost: [{ when: '"new" in tags && brand == "b"', factor: 2 }],
      diversity: { kind: "cap", by: "brand", max: 2 },
      newItems: { when: "now - publishedMs < days(7)", share: 0.1, top: 10 },
      pin: [{ item: "a", position: 1 }],
    },
  });
  assert.equal(gateway.scenario, "home");
  assert.deepEqual(ranker.attributeTypes, gateway.attributeTypes);
});
