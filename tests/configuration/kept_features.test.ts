import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";

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
