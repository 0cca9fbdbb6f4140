import assert from "node:assert/strict";
import { KeptState } from "../../actors/feature_keeper/kept_state.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { present } from "../../structures/invariant.ts";

Deno.test("a keeper gives the numbers of items in the order of their names", () => {
  const priors = { author_a: 0.1, own: 0.2, category: 0.3, author_b: 0.4, own_too: 0.5 };
  const rate = (name: keyof typeof priors, by: string) =>
    `    ${name}: { kind: rate, ${by}, of: click, window: 1d, prior: { rate: ${
      priors[name]
    }, weight: 1 } }`;
  const { features, featureKeeper, ranker } = parseConfiguration(
    `
features:
  slots:
    item: { kind: id, source: item }
    category: { kind: categorical, source: item, attribute: kind }
    author: { kind: categorical, source: item }
kept:
  features:
${rate("author_a", "by: user, slot: author")}
${rate("own", "by: item")}
${rate("category", "by: user, slot: category")}
${rate("author_b", "by: user, slot: author")}
${rate("own_too", "by: item")}
`,
    "c.yaml",
  );
  const { keptOfItems } = features.schema;
  assert.deepEqual(keptOfItems, ["own", "own_too", "author_a", "author_b", "category"]);
  assert.equal(ranker.keptByItem, 2);
  assert.deepEqual(ranker.keptSlots.map(({ name }) => name), ["author", "category"]);
  const keeper = new KeptState({ ...present(featureKeeper, "features are kept"), shard: 0 });
  const values = { values: Float64Array.of(1, 2), offsets: Uint32Array.of(0, 1, 2) };
  const { items } = keeper.read("ann", ["i"], 0, { histories: [], values });
  assert.deepEqual([...items], keptOfItems?.map((name) => priors[name as keyof typeof priors]));
});

Deno.test("kept features become attributes that slots and rules read", () => {
  const { features, featureKeeper, gateway, ranker } = parseConfiguration(
    `
features:
  slots:
    item: { kind: id, source: item }
    recent: { kind: list, source: user, idsOf: item }
    ctr: { kind: numeric, source: item, dense: { kind: none } }
kept:
  shards: 2
  features:
    recent: { kind: history, action: click, last: 20 }
    ctr: { kind: rate, by: item, of: rating, valueAtLeast: 8, window: 1d, prior: { rate: 0.1, weight: 5 } }
    pace: { kind: trend, by: item, of: click, window: 1h }
    idle: { kind: since, by: user, of: click }
scenarios:
  home:
    filter: pace > 0 || user.idle < 5
    exclude: [{ what: click, within: 1d }]
`,
    "c.yaml",
  );
  assert.deepEqual(features.schema.keptOfItems, ["ctr", "pace"]);
  assert.deepEqual(featureKeeper?.features, [
    { kind: "history", name: "recent", of: { action: "click" }, last: 20 },
    {
      kind: "rate",
      name: "ctr",
      by: "item",
      of: { action: "rating", atLeast: 8 },
      per: { action: "shown" },
      span: { windowMs: 86_400_000 },
      prior: { rate: 0.1, weight: 5 },
    },
    { kind: "trend", name: "pace", by: "item", of: { action: "click" }, windowMs: 3_600_000 },
    { kind: "since", name: "idle", by: "user", of: { action: "click" } },
  ]);
  assert.equal(featureKeeper?.checkpointMs, 0, "a log in memory does not outlive the process");
  assert.deepEqual(gateway.keptHistories, ["click"]);
  assert.deepEqual(gateway.attributeTypes.user, { recent: "texts", idle: "number" });
  assert.deepEqual(gateway.scenarios.home.exclude, [{ what: "click", withinMs: 86_400_000 }]);
  assert.deepEqual(ranker.attributeTypes, gateway.attributeTypes);
});
